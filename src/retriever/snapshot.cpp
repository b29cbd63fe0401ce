#include "retriever/snapshot.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

#include "common/hash.h"

namespace memlong::retriever {
namespace {

static_assert(std::endian::native == std::endian::little, "the snapshot is written as it lies");

constexpr std::string_view kMagic = "memlidx1";
constexpr uint32_t kVersion = 1;

struct FixedPart {
  char magic[8] = {};
  uint32_t version = kVersion;
  uint32_t kind = 0;
  uint64_t dim = 0;
  uint64_t rows = 0;
  uint64_t generation = 0;
  uint64_t next_id = 0;
  uint64_t key_bytes = 0;
  uint64_t payload_bytes = 0;
};
static_assert(sizeof(FixedPart) == 64);

template <class T>
void append(std::string& out, std::span<const T> values) {
  out.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

/// Whether the lengths that the header claims fill a file of `size` bytes exactly.
bool lengths_fit(const FixedPart& fixed, size_t size) {
  if (fixed.rows > size / 9 || fixed.key_bytes > size || fixed.payload_bytes > size) return false;
  return sizeof(FixedPart) + fixed.key_bytes + fixed.rows * 9 + fixed.payload_bytes + 4 == size;
}

bool crc_fits(std::span<const std::byte> bytes) {
  uint32_t stored = 0;
  std::memcpy(&stored, bytes.data() + bytes.size() - 4, 4);
  return crc32c(bytes.first(bytes.size() - 4)) == stored;
}

}  // namespace

void write_snapshot(const std::filesystem::path& path, const SnapshotHeader& header,
                    std::span<const uint64_t> ids, std::span<const uint8_t> dead,
                    std::string_view payload) {
  FixedPart fixed;
  std::ranges::copy(kMagic, fixed.magic);
  fixed.kind = static_cast<uint32_t>(header.kind);
  fixed.dim = static_cast<uint64_t>(header.dim);
  fixed.rows = ids.size();
  fixed.generation = header.generation;
  fixed.next_id = header.next_id;
  fixed.key_bytes = header.key.size();
  fixed.payload_bytes = payload.size();
  std::string out;
  out.reserve(sizeof(fixed) + header.key.size() + ids.size() * 9 + payload.size() + 4);
  append(out, std::span<const FixedPart>(&fixed, 1));
  out += header.key;
  append(out, ids);
  append(out, dead);
  out += payload;
  const uint32_t crc = crc32c(std::as_bytes(std::span(out)));
  append(out, std::span<const uint32_t>(&crc, 1));
  write_file_atomic(path, out);
}

std::optional<Snapshot> read_snapshot(const std::filesystem::path& path,
                                      const SnapshotHeader& wanted) {
  std::error_code none;
  if (!std::filesystem::exists(path, none)) return std::nullopt;
  Snapshot snapshot;
  snapshot.file = MappedFile(path);
  const std::span<const std::byte> bytes = snapshot.file.bytes();
  FixedPart fixed;
  if (bytes.size() < sizeof(fixed) + 4) return std::nullopt;
  std::memcpy(&fixed, bytes.data(), sizeof(fixed));
  if (std::string_view(fixed.magic, sizeof(fixed.magic)) != kMagic || fixed.version != kVersion ||
      fixed.kind != static_cast<uint32_t>(wanted.kind) ||
      fixed.dim != static_cast<uint64_t>(wanted.dim) || !lengths_fit(fixed, bytes.size()) ||
      !crc_fits(bytes)) {
    return std::nullopt;
  }
  const char* at = reinterpret_cast<const char*>(bytes.data()) + sizeof(fixed);
  snapshot.header = {wanted.kind, wanted.dim, fixed.generation, std::string(at, fixed.key_bytes),
                     fixed.next_id};
  if (!snapshot.header.key.starts_with(wanted.key)) return std::nullopt;
  at += fixed.key_bytes;
  snapshot.ids.resize(fixed.rows);
  std::copy_n(at, fixed.rows * 8, reinterpret_cast<char*>(snapshot.ids.data()));
  at += fixed.rows * 8;
  snapshot.dead.assign(at, at + fixed.rows);
  at += fixed.rows;
  snapshot.payload = {at, fixed.payload_bytes};
  const bool rising =
      std::ranges::adjacent_find(snapshot.ids, std::greater_equal<>()) == snapshot.ids.end();
  const bool flags = std::ranges::all_of(snapshot.dead, [](uint8_t flag) { return flag <= 1; });
  const bool ahead = snapshot.ids.empty() || fixed.next_id > snapshot.ids.back();
  if (!rising || !flags || !ahead) return std::nullopt;
  return snapshot;
}

}  // namespace memlong::retriever
