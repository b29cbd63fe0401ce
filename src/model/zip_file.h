// The ZIP format (PKWARE's APPNOTE.TXT), as far as torch uses it: stored entries, ZIP64.
//
// A parser of our own, because views must point at the entries where they lie in a mapping. libzip
// and libarchive only copy entries out; minizip tells where one begins, but checks neither overlaps
// nor what local headers say, and that is most of the work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace memlong::model {

struct ZipEntry {
  std::span<const std::byte> data;
  uint32_t crc = 0;  ///< as the archive says; nothing is compared with it here
};

/// Entries by name. Names and data point into the archive.
using ZipEntries = std::map<std::string_view, ZipEntry>;

/// The central directory of an archive. Thread-safe. Errors: format, beginning with `origin`, for
/// what is no ZIP archive or cut short, several volumes, compressed or encrypted entries, two of
/// one name, entries that overlap, lie outside or differ from their local headers.
ZipEntries read_zip(std::span<const std::byte> archive, const std::string& origin);

/// CRC-32 (ISO 3309), as ZIP uses it.
uint32_t crc32(std::span<const std::byte> data);

}  // namespace memlong::model
