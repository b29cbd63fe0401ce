#include "common/hash.h"

#include <cstring>

#include <openssl/evp.h>
#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

#include "common/error.h"

namespace memlong {
namespace {

#if defined(__SSE4_2__)

/// The instruction takes eight bytes a cycle, but three cycles until its result is there: three
/// stretches of this size go side by side.
constexpr size_t kStretch = 512;

/// What lies so far ahead is asked for: in three places at once, and across the borders of pages,
/// the processor does not look ahead well enough by itself.
constexpr size_t kAhead = 9 * kStretch;

using Columns = std::array<uint32_t, 32>;  ///< what becomes of each bit of a state

constexpr uint32_t changed(const Columns& columns, uint32_t state) {
  uint32_t result = 0;
  for (size_t bit = 0; bit < 32; ++bit) result ^= ((state >> bit) & 1) != 0 ? columns[bit] : 0U;
  return result;
}

/// What kStretch zero bytes make of a state, which is linear in it; for each of its bytes.
constexpr std::array<std::array<uint32_t, 256>, 4> make_zero_stretch() {
  Columns columns{};  // of one zero byte
  for (uint32_t bit = 0; bit < 32; ++bit) {
    uint32_t state = 1U << bit;
    for (int i = 0; i < 8; ++i) state = (state >> 1) ^ ((state & 1) != 0 ? 0x82F63B78U : 0U);
    columns[bit] = state;
  }
  for (size_t bytes = 1; bytes < kStretch; bytes *= 2) {
    Columns twice{};
    for (size_t bit = 0; bit < 32; ++bit) twice[bit] = changed(columns, columns[bit]);
    columns = twice;
  }
  std::array<std::array<uint32_t, 256>, 4> table{};
  for (uint32_t byte = 0; byte < 4; ++byte) {
    for (uint32_t value = 0; value < 256; ++value) {
      table[byte][value] = changed(columns, value << (8 * byte));
    }
  }
  return table;
}
constexpr auto kZeroStretch = make_zero_stretch();

uint32_t after_zero_stretch(uint32_t state) {
  return kZeroStretch[0][state & 0xFF] ^ kZeroStretch[1][(state >> 8) & 0xFF] ^
         kZeroStretch[2][(state >> 16) & 0xFF] ^ kZeroStretch[3][state >> 24];
}

uint64_t next_word(const unsigned char* bytes) {
  uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

/// The state after 3 * kStretch bytes.
uint32_t three_stretches(uint32_t state, const unsigned char* bytes) {
  constexpr size_t kLine = 64;
  uint64_t first = state;
  uint64_t second = 0;
  uint64_t third = 0;
  for (size_t line = 0; line < kStretch; line += kLine) {
    for (size_t part = 0; part < 3; ++part) {
      _mm_prefetch(reinterpret_cast<const char*>(bytes + part * kStretch + kAhead + line),
                   _MM_HINT_T0);
    }
    for (size_t i = line; i < line + kLine; i += 8) {
      first = _mm_crc32_u64(first, next_word(bytes + i));
      second = _mm_crc32_u64(second, next_word(bytes + kStretch + i));
      third = _mm_crc32_u64(third, next_word(bytes + 2 * kStretch + i));
    }
  }
  const uint32_t two =
      after_zero_stretch(static_cast<uint32_t>(first)) ^ static_cast<uint32_t>(second);
  return after_zero_stretch(two) ^ static_cast<uint32_t>(third);
}

#else

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? 0x82F63B78U : 0U);
    table[i] = value;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = make_table();

#endif

}  // namespace

uint32_t crc32c(std::span<const std::byte> data, uint32_t seed) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());
  size_t left = data.size();
#if defined(__SSE4_2__)
  uint64_t state = ~seed;
  for (; left >= 3 * kStretch; left -= 3 * kStretch, bytes += 3 * kStretch) {
    state = three_stretches(static_cast<uint32_t>(state), bytes);
  }
  for (; left >= 8; left -= 8, bytes += 8) state = _mm_crc32_u64(state, next_word(bytes));
  auto value = static_cast<uint32_t>(state);
  for (; left > 0; --left, ++bytes) value = _mm_crc32_u8(value, *bytes);
#else
  uint32_t value = ~seed;
  for (; left > 0; --left, ++bytes) value = kTable[(value ^ *bytes) & 0xFF] ^ (value >> 8);
#endif
  return ~value;
}

struct Sha256::Impl {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
  MEMLONG_CHECK(EVP_DigestInit_ex(impl_->context, EVP_sha256(), nullptr) == 1, "SHA-256 init");
}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(std::span<const std::byte> data) {
  EVP_DigestUpdate(impl_->context, data.data(), data.size());
}

void Sha256::update(std::string_view text) {
  EVP_DigestUpdate(impl_->context, text.data(), text.size());
}

Digest Sha256::finish() {
  Digest digest{};
  EVP_DigestFinal_ex(impl_->context, digest.data(), nullptr);
  return digest;
}

Digest sha256(std::string_view text) {
  Sha256 hash;
  hash.update(text);
  return hash.finish();
}

std::string to_hex(std::span<const uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const uint8_t byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

std::string to_base64(std::span<const std::byte> bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock writes a NUL, too
  const auto* from = reinterpret_cast<const unsigned char*>(bytes.data());
  auto* to = reinterpret_cast<unsigned char*>(text.data());
  text.resize(static_cast<size_t>(EVP_EncodeBlock(to, from, static_cast<int>(bytes.size()))));
  return text;
}

}  // namespace memlong
