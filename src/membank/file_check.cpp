#include "membank/file_check.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <thread>
#include <unistd.h>
#include <vector>

#include "common/error.h"
#include "common/file.h"
#include "membank/records.h"

namespace memlong::membank {
namespace {

constexpr uint32_t kMagic = 0xBEEFC0DE;
constexpr uint32_t kDataVersion = 1;
constexpr uint16_t kMetaFlag = 0x08;
constexpr uint16_t kFreeListFlags = 0x08;  // keys are integers
constexpr size_t kSmallestPage = 512;
constexpr size_t kLargestPage = 65536;
constexpr uint64_t kLargestMap = uint64_t{1} << 47;
constexpr uint64_t kNoPage = ~uint64_t{0};
constexpr int kAttempts = 5;
constexpr std::chrono::milliseconds kPause{2};

/// A tree in a meta page; the same 48 bytes as in a leaf of the main tree.
struct MetaTree {
  uint32_t pad;
  uint16_t flags;
  uint16_t depth;
  uint64_t branch_pages;
  uint64_t leaf_pages;
  uint64_t overflow_pages;
  uint64_t entries;
  uint64_t root;
};

struct MetaPage {
  uint64_t number;
  uint16_t page_pad;
  uint16_t page_flags;
  uint16_t lower;
  uint16_t upper;
  uint32_t magic;
  uint32_t version;
  uint64_t address;
  uint64_t map_bytes;
  MetaTree free_list;
  MetaTree main;
  uint64_t last_page;
  uint64_t transaction;
};
static_assert(sizeof(MetaPage) == 152);

MetaPage load(std::span<const std::byte> head, size_t offset) {
  MetaPage meta;
  std::memcpy(&meta, head.data() + offset, sizeof(meta));
  return meta;
}

bool tree_is_possible(const MetaTree& tree, uint64_t last_page) {
  const bool empty = tree.root == kNoPage;
  const bool counts = empty == (tree.entries == 0) && empty == (tree.depth == 0);
  return counts && (empty || (tree.root > 1 && tree.root <= last_page)) &&
         tree.branch_pages <= last_page && tree.leaf_pages <= last_page &&
         tree.overflow_pages <= last_page;
}

std::string one_meta_damage(const MetaPage& meta, uint64_t slot, size_t page_size) {
  if (meta.magic != kMagic || meta.version != kDataVersion) return "it is none";
  if (meta.number != slot || meta.page_flags != kMetaFlag) return "its header is damaged";
  const bool sizes = meta.free_list.pad == page_size && meta.address == 0 &&
                     meta.map_bytes <= kLargestMap && meta.last_page > 0 &&
                     meta.last_page < kLargestMap / page_size &&
                     (meta.last_page + 1) * page_size <= meta.map_bytes;
  if (!sizes) return "its sizes cannot be";
  const bool trees = meta.free_list.flags == kFreeListFlags && meta.main.flags == 0 &&
                     meta.main.pad == 0 && tree_is_possible(meta.free_list, meta.last_page) &&
                     tree_is_possible(meta.main, meta.last_page);
  return trees ? "" : "its trees cannot be";
}

/// The first bytes of a file, enough for two pages of any size.
std::vector<std::byte> read_head(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail_errno("cannot open", file.string());
  std::vector<std::byte> head(kLargestPage + sizeof(MetaPage));
  size_t done = 0;
  while (done < head.size()) {
    const ssize_t count =
        ::pread(fd, head.data() + done, head.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int error = errno;
      ::close(fd);
      errno = error;
      fail_errno("cannot read", file.string());
    }
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  ::close(fd);
  head.resize(done);
  return head;
}

/// The generation in the `state` record of a transaction, if it can be read.
std::optional<uint64_t> generation_of(std::span<const std::byte> file, uint64_t transaction) {
  bool damaged = false;
  std::optional<uint64_t> generation;
  PageWalker walker(
      file, [&](uint64_t, const std::string&) { damaged = true; }, Look::structure);
  if (!walker.load_meta(transaction)) return std::nullopt;
  const auto trees = walker.databases();
  const auto meta = trees.find("meta");
  if (damaged || meta == trees.end()) return std::nullopt;
  walker.walk(meta->second, [&](std::string_view key, std::string_view value) {
    if (key == "state" && intact(key, value)) generation = decode_u64(value);
  });
  return damaged ? std::nullopt : generation;
}

}  // namespace

std::string meta_damage(std::span<const std::byte> head) {
  if (head.size() < sizeof(MetaPage)) return "the file is too short";
  const size_t page_size = load(head, 0).free_list.pad;
  const bool possible =
      page_size >= kSmallestPage && page_size <= kLargestPage && (page_size & (page_size - 1)) == 0;
  if (!possible) return "meta page 0: no such page size";
  if (head.size() < page_size + sizeof(MetaPage)) return "the file is too short";
  const std::array<MetaPage, 2> metas = {load(head, 0), load(head, page_size)};
  for (uint64_t slot = 0; slot < metas.size(); ++slot) {
    const std::string what = one_meta_damage(metas[slot], slot, page_size);
    if (!what.empty()) return "meta page " + std::to_string(slot) + ": " + what;
  }
  // Commit n is written to page n mod 2.
  const uint64_t even = metas[0].transaction;
  const uint64_t odd = metas[1].transaction;
  const bool fresh = even == 0 && odd == 0;
  if (!fresh && (even % 2 != 0 || (odd != even + 1 && odd + 1 != even))) {
    return "the meta pages have numbers that cannot follow each other";
  }
  return {};
}

void check_meta_pages(const std::filesystem::path& file) {
  std::string damage;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(kPause);
    const std::vector<std::byte> head = read_head(file);
    if (head.empty()) {
      fail(ErrorKind::corrupt, file.string() +
                                   " is damaged (the file is empty); restore it from a copy, or "
                                   "delete it to begin with an empty bank");
    }
    damage = meta_damage(head);
    if (damage.empty()) return;
  }
  fail(ErrorKind::corrupt,
       file.string() + " is no bank, or damaged (" + damage + "); restore it from a copy");
}

bool never_became_a_bank(const std::filesystem::path& file) {
  constexpr size_t kMostPages = 64;
  const MappedFile mapped(file);
  const std::span<const std::byte> bytes = mapped.bytes();
  if (!meta_damage(bytes).empty()) return false;
  const size_t page_size = load(bytes, 0).free_list.pad;
  if (bytes.size() > kMostPages * page_size) return false;
  bool damaged = false;
  bool manifest = false;
  PageWalker walker(
      bytes, [&](uint64_t, const std::string&) { damaged = true; }, Look::structure);
  walker.load_meta(std::max(load(bytes, 0).transaction, load(bytes, page_size).transaction));
  const auto trees = walker.databases();
  if (const auto meta = trees.find("meta"); meta != trees.end()) {
    walker.walk(meta->second,
                [&](std::string_view key, std::string_view) { manifest |= key == "manifest"; });
  }
  return !damaged && !manifest;
}

size_t map_bytes_of(const std::filesystem::path& file) {
  check_meta_pages(file);
  const std::vector<std::byte> head = read_head(file);
  const size_t page_size = load(head, 0).free_list.pad;
  return std::max(load(head, 0).map_bytes, load(head, page_size).map_bytes);
}

TreeDamage find_damage(std::span<const std::byte> file, uint64_t transaction, Look look) {
  TreeDamage found;
  PageWalker walker(
      file,
      [&](uint64_t page, const std::string& what) {
        if (found.what.empty()) found.what = "page " + std::to_string(page) + ": " + what;
      },
      look);
  if (!walker.load_meta(transaction)) return {.gone = true, .what = {}};
  for (const auto& [name, tree] : walker.databases()) {
    // A changed key of these would only ever be missed: nobody comes by to check its record.
    const bool looked_up = name == "doc_names" || name == "doc_hashes";
    walker.walk(tree, [&, database = name](std::string_view key, std::string_view value) {
      if (!looked_up || intact(key, value) || !found.what.empty()) return;
      found.what = "record " + printable_key(key) + " of database " + database;
    });
  }
  walker.check_free_list();
  if (!found.what.empty() || transaction == 0) return found;
  const auto before = generation_of(file, transaction - 1);
  const auto now = generation_of(file, transaction);
  if (before && now && *before > *now) found.what = "a meta page with a wrong number";
  return found;
}

}  // namespace memlong::membank
