// Checksums and content hashes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace memlong {

/// CRC-32C (Castagnoli, RFC 3720), as iSCSI and LevelDB use it. `seed` continues an earlier value.
uint32_t crc32c(std::span<const std::byte> data, uint32_t seed = 0);

using Digest = std::array<uint8_t, 32>;  ///< a SHA-256 value

/// Incremental SHA-256. Not thread-safe; movable.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  ~Sha256();
  void update(std::span<const std::byte> data);
  void update(std::string_view text);
  [[nodiscard]] Digest finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

Digest sha256(std::string_view text);
std::string to_hex(std::span<const uint8_t> bytes);
std::string to_base64(std::span<const std::byte> bytes);  ///< RFC 4648, padded

}  // namespace memlong
