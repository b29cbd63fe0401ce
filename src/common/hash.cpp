#include "common/hash.h"

#include <cstring>

#include <openssl/evp.h>
#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

#include "common/error.h"

namespace memlong {
namespace {

#if !defined(__SSE4_2__)
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
  for (; left >= 8; left -= 8, bytes += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes, 8);
    state = _mm_crc32_u64(state, word);
  }
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

}  // namespace memlong
