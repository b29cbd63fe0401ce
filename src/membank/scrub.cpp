#include "membank/scrub.h"

#include <algorithm>
#include <array>
#include <unistd.h>
#include <vector>

#include "common/error.h"
#include "common/file.h"
#include "membank/pages.h"

namespace memlong::membank {
namespace {

constexpr uint64_t kCompacted = 1;  // the number LMDB gives the transaction of a compacted file

struct Gap {
  uint64_t offset;
  uint64_t size;
};

void write_zeros(int fd, Gap gap, const std::filesystem::path& path) {
  static constexpr std::array<char, 4096> kZeros{};
  while (gap.size > 0) {
    const size_t part = std::min<uint64_t>(gap.size, kZeros.size());
    const ssize_t count = ::pwrite(fd, kZeros.data(), part, static_cast<off_t>(gap.offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail_errno("cannot write", path.string());
    gap.offset += static_cast<uint64_t>(count);
    gap.size -= static_cast<uint64_t>(count);
  }
}

}  // namespace

void scrub_unused(int fd, const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::span<const std::byte> bytes = file.bytes();
  std::string damage;
  std::vector<Gap> gaps;
  PageWalker walker(bytes, [&](uint64_t page, const std::string& what) {
    damage = "page " + std::to_string(page) + ": " + what;
  });
  walker.on_slack([&](uint64_t offset, uint64_t size) {
    const auto room = bytes.subspan(offset, size);
    const auto clean = [](std::byte value) { return value == std::byte{0}; };
    if (!std::all_of(room.begin(), room.end(), clean)) gaps.push_back({offset, size});
  });
  if (!walker.load_meta(kCompacted)) damage = "no meta page";
  for (const auto& [name, tree] : walker.databases()) {
    walker.walk(tree, [](std::string_view, std::string_view) {});
  }
  if (!damage.empty()) fail(ErrorKind::corrupt, path.string() + " came out damaged: " + damage);
  for (const Gap& gap : gaps) write_zeros(fd, gap, path);
}

}  // namespace memlong::membank
