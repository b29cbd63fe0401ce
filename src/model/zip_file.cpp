#include "model/zip_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "common/error.h"
#include "model/shown.h"

namespace memlong::model {
namespace {

constexpr uint32_t kLocalMark = 0x04034B50;
constexpr uint32_t kCentralMark = 0x02014B50;
constexpr uint32_t kEndMark = 0x06054B50;
constexpr uint32_t kEnd64Mark = 0x06064B50;
constexpr uint32_t kLocatorMark = 0x07064B50;
constexpr uint64_t kLocalBytes = 30;
constexpr uint64_t kCentralBytes = 46;
constexpr uint64_t kEndBytes = 22;
constexpr uint64_t kEnd64Bytes = 56;
constexpr uint64_t kLocatorBytes = 20;
constexpr uint64_t kMaxComment = 0xFFFF;
constexpr uint16_t kIn64Bits = 0xFFFF;  ///< the number stands in the ZIP64 record
constexpr uint32_t kIn64BitsWide = ~uint32_t{0};
constexpr uint16_t kExtra64 = 1;
constexpr uint16_t kEncrypted = 1;

/// Where entries are listed.
struct Directory {
  uint64_t entries = 0;
  uint64_t bytes = 0;
  uint64_t begin = 0;
};

/// A line of the directory.
struct Central {
  std::string_view name;
  std::span<const std::byte> extra;
  uint64_t packed = 0;
  uint64_t size = 0;
  uint64_t local = 0;
  uint32_t crc = 0;
  uint16_t flags = 0;
  uint16_t method = 0;
};

struct Extent {
  uint64_t begin;
  uint64_t end;
  std::string_view name;
};

class Reader {
 public:
  Reader(std::span<const std::byte> archive, const std::string& origin)
      : archive_(archive), origin_(origin) {}

  ZipEntries read() const {
    const Directory directory = find_directory();
    ZipEntries entries;
    std::vector<Extent> extents;
    uint64_t at = directory.begin;
    const uint64_t end = directory.begin + directory.bytes;
    for (uint64_t i = 0; i < directory.entries; ++i) {
      const Central central = read_central(at, end);
      const std::span<const std::byte> data = find_data(central, directory.begin);
      if (!entries.try_emplace(central.name, ZipEntry{data, central.crc}).second) {
        broken("entry " + shown(central.name) + " stands in it twice");
      }
      const auto data_end = static_cast<uint64_t>(data.data() + data.size() - archive_.data());
      extents.push_back({central.local, data_end, central.name});
    }
    if (at != end) broken("its ZIP directory has more bytes than entries");
    check_extents(extents);
    return entries;
  }

 private:
  [[noreturn]] void broken(const std::string& what) const {
    fail(ErrorKind::format, origin_ + ": " + what);
  }

  /// The caller has checked that it lies inside.
  template <class T>
  T number(uint64_t at) const {
    T value;
    std::memcpy(&value, archive_.data() + at, sizeof(T));
    return value;
  }

  std::string_view text(uint64_t at, uint64_t size) const {
    return {reinterpret_cast<const char*>(archive_.data()) + at, size};
  }

  /// The record at the very end, behind which only its comment may stand.
  uint64_t find_end() const {
    const uint64_t size = archive_.size();
    if (size >= kEndBytes) {
      const uint64_t last = size - kEndBytes;
      const uint64_t first = last - std::min(last, kMaxComment);
      for (uint64_t at = last + 1; at-- > first;) {
        if (number<uint32_t>(at) == kEndMark && number<uint16_t>(at + 20) == last - at) return at;
      }
    }
    broken("has no ZIP directory at its end; it is cut short or no ZIP archive");
  }

  Directory find_directory() const {
    const uint64_t end = find_end();
    if (number<uint16_t>(end + 4) != number<uint16_t>(end + 6)) {
      broken("is a ZIP archive of several volumes");
    }
    Directory directory{.entries = number<uint16_t>(end + 10),
                        .bytes = number<uint32_t>(end + 12),
                        .begin = number<uint32_t>(end + 16)};
    uint64_t limit = end;
    if (directory.entries == kIn64Bits || directory.bytes == kIn64BitsWide ||
        directory.begin == kIn64BitsWide) {
      limit = find_end64(end, directory);
    }
    if (directory.begin > limit || directory.bytes > limit - directory.begin ||
        directory.entries > directory.bytes / kCentralBytes) {
      broken("its ZIP directory lies outside the file; it is damaged");
    }
    return directory;
  }

  /// Numbers that do not fit the plain record. Returns where the ZIP64 one begins.
  uint64_t find_end64(uint64_t end, Directory& directory) const {
    if (end < kLocatorBytes || number<uint32_t>(end - kLocatorBytes) != kLocatorMark) {
      broken("its ZIP64 directory is missing; it is damaged");
    }
    const uint64_t locator = end - kLocatorBytes;
    const auto at = number<uint64_t>(locator + 8);
    if (locator < kEnd64Bytes || at > locator - kEnd64Bytes || number<uint32_t>(at) != kEnd64Mark) {
      broken("its ZIP64 directory is not where the file says; it is damaged");
    }
    directory = {.entries = number<uint64_t>(at + 32),
                 .bytes = number<uint64_t>(at + 40),
                 .begin = number<uint64_t>(at + 48)};
    return at;
  }

  /// Advances `at` behind it.
  Central read_central(uint64_t& at, uint64_t end) const {
    if (end - at < kCentralBytes || number<uint32_t>(at) != kCentralMark) {
      broken("its ZIP directory is damaged");
    }
    const auto name = number<uint16_t>(at + 28);
    const auto extra = number<uint16_t>(at + 30);
    const uint64_t more = uint64_t{name} + extra + number<uint16_t>(at + 32);
    if (end - at - kCentralBytes < more) broken("its ZIP directory is damaged");
    Central central{.name = text(at + kCentralBytes, name),
                    .extra = archive_.subspan(at + kCentralBytes + name, extra),
                    .packed = number<uint32_t>(at + 20),
                    .size = number<uint32_t>(at + 24),
                    .local = number<uint32_t>(at + 42),
                    .crc = number<uint32_t>(at + 16),
                    .flags = number<uint16_t>(at + 8),
                    .method = number<uint16_t>(at + 10)};
    widen(central);
    at += kCentralBytes + more;
    return central;
  }

  /// Takes the numbers that do not fit 32 bits from the ZIP64 field, in the order of the format.
  void widen(Central& central) const {
    std::vector<uint64_t*> wide;
    for (uint64_t* value : {&central.size, &central.packed, &central.local}) {
      if (*value == kIn64BitsWide) wide.push_back(value);
    }
    if (wide.empty()) return;
    std::span<const std::byte> extra = central.extra;
    while (extra.size() >= 4) {
      std::array<uint16_t, 2> head{};  // kind, bytes
      std::memcpy(head.data(), extra.data(), sizeof(head));
      extra = extra.subspan(sizeof(head));
      if (head[1] > extra.size()) break;
      if (head[0] == kExtra64 && head[1] >= wide.size() * sizeof(uint64_t)) {
        for (size_t i = 0; i < wide.size(); ++i) {
          std::memcpy(wide[i], extra.data() + i * sizeof(uint64_t), sizeof(uint64_t));
        }
        return;
      }
      extra = extra.subspan(head[1]);
    }
    broken("entry " + shown(central.name) + " has no ZIP64 sizes; the file is damaged");
  }

  /// What is stored for an entry. Sizes come from the directory: torch leaves them out of the local
  /// header, which must have the same name and the same kind of entry.
  std::span<const std::byte> find_data(const Central& central, uint64_t limit) const {
    const std::string entry = "entry " + shown(central.name);
    if ((central.flags & kEncrypted) != 0) broken(entry + " is encrypted");
    if (central.method != 0 || central.packed != central.size) {
      broken(entry + " is compressed; torch stores entries as they are: write the file with torch");
    }
    const uint64_t head = kLocalBytes + central.name.size();
    if (central.local > limit || limit - central.local < head ||
        number<uint32_t>(central.local) != kLocalMark ||
        number<uint16_t>(central.local + 8) != central.method ||
        number<uint16_t>(central.local + 26) != central.name.size() ||
        text(central.local + kLocalBytes, central.name.size()) != central.name) {
      broken(entry + " is not where the ZIP directory says; the file is damaged");
    }
    const uint64_t left = limit - central.local - head;
    const auto padding = number<uint16_t>(central.local + 28);
    if (padding > left || central.size > left - padding) {
      broken(entry + " reaches beyond the ZIP directory; the file is cut short or damaged");
    }
    return archive_.subspan(central.local + head + padding, central.size);
  }

  void check_extents(std::vector<Extent>& extents) const {
    std::sort(extents.begin(), extents.end(),
              [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
    for (size_t i = 1; i < extents.size(); ++i) {
      if (extents[i].begin < extents[i - 1].end) {
        broken("entry " + shown(extents[i].name) + " overlaps the one before");
      }
    }
  }

  std::span<const std::byte> archive_;
  const std::string& origin_;
};

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0xEDB88320U : 0U);
    table[byte] = value;
  }
  return table;
}

}  // namespace

ZipEntries read_zip(std::span<const std::byte> archive, const std::string& origin) {
  return Reader(archive, origin).read();
}

uint32_t crc32(std::span<const std::byte> data) {
  static constexpr std::array<uint32_t, 256> kTable = make_crc_table();
  uint32_t value = ~uint32_t{0};
  for (const std::byte byte : data) {
    value = (value >> 8) ^ kTable[(value ^ static_cast<uint32_t>(byte)) & 0xFF];
  }
  return ~value;
}

}  // namespace memlong::model
