#include "membank/pages.h"

#include <algorithm>
#include <cstring>

namespace memlong::membank {
namespace {

constexpr uint32_t kMagic = 0xBEEFC0DE;
constexpr uint32_t kDataVersion = 1;
constexpr size_t kPageHeader = 16;
constexpr size_t kNodeHeader = 8;
constexpr uint16_t kBranch = 0x01;
constexpr uint16_t kLeaf = 0x02;
constexpr uint16_t kOverflow = 0x04;
constexpr uint16_t kPassingFlags = 0xC010;  // dirty, loose, keep: states of a page in memory
constexpr uint16_t kBigData = 0x01;
constexpr uint16_t kSubTree = 0x02;
constexpr uint64_t kNoPage = ~uint64_t{0};
constexpr int kMaxDepth = 32;
constexpr uint64_t kMissingPages = uint64_t{1} << 24;
// Offsets in a meta page.
constexpr size_t kMetaMagic = 16;
constexpr size_t kMetaVersion = 20;
constexpr size_t kMetaPageSize = 40;
constexpr size_t kMetaFree = 40;
constexpr size_t kMetaMain = 88;
constexpr size_t kMetaLastPage = 136;
constexpr size_t kMetaTransaction = 144;
constexpr size_t kMetaEnd = 152;
constexpr size_t kTreeBytes = 48;

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

Tree load_tree(const std::byte* at) {
  return {.root = load<uint64_t>(at + 40),
          .entries = load<uint64_t>(at + 32),
          .flags = load<uint16_t>(at + 4),
          .depth = load<uint16_t>(at + 6),
          .branch_pages = load<uint64_t>(at + 8),
          .leaf_pages = load<uint64_t>(at + 16),
          .overflow_pages = load<uint64_t>(at + 24)};
}

}  // namespace

struct PageWalker::Node {
  std::string_view key;
  uint64_t child = 0;  // of a branch
  uint16_t flags = 0;  // of a leaf
  size_t size = 0;     // of a leaf's value
  const std::byte* data = nullptr;
};

struct PageWalker::Walk {
  explicit Walk(const RecordFn& callback) : fn(callback) {}
  const RecordFn& fn;
  bool integer_keys = false;
  bool sub_trees = false;  ///< values are descriptions of trees
  uint64_t records = 0;
  uint64_t branch_pages = 0;
  uint64_t leaf_pages = 0;
  uint64_t overflow_pages = 0;
  int depth = 0;
  bool broken = false;
  std::optional<std::string_view> previous;

  [[nodiscard]] bool less(std::string_view a, std::string_view b) const {
    if (!integer_keys) return a < b;
    uint64_t x = 0;
    uint64_t y = 0;
    std::memcpy(&x, a.data(), std::min(a.size(), sizeof(x)));
    std::memcpy(&y, b.data(), std::min(b.size(), sizeof(y)));
    return x < y;
  }
};

PageWalker::PageWalker(std::span<const std::byte> file, DamageFn on_damage, Look look)
    : file_(file), on_damage_(std::move(on_damage)), look_(look) {}

bool PageWalker::load_meta(uint64_t transaction) {
  if (file_.size() < kMetaEnd) return false;
  const uint32_t size = load<uint32_t>(file_.data() + kMetaPageSize);
  for (const size_t candidate : {size_t{size}, size_t{4096}}) {
    if (candidate < 512 || candidate > 32768 || (candidate & (candidate - 1)) != 0) continue;
    for (size_t slot = 0; slot < 2; ++slot) {
      const size_t at = slot * candidate;
      if (at + kMetaEnd > file_.size()) continue;
      const std::byte* meta = file_.data() + at;
      const bool right = load<uint32_t>(meta + kMetaMagic) == kMagic &&
                         load<uint32_t>(meta + kMetaVersion) == kDataVersion &&
                         load<uint64_t>(meta + kMetaTransaction) == transaction;
      if (!right) continue;
      page_size_ = candidate;
      free_list_ = load_tree(meta + kMetaFree);
      main_ = load_tree(meta + kMetaMain);
      last_page_ = load<uint64_t>(meta + kMetaLastPage);
      file_pages_ = file_.size() / page_size_;
      if (last_page_ > file_pages_ + kMissingPages) {
        damage(slot, "an impossible last page");
        last_page_ = file_pages_;
      }
      claimed_.assign(last_page_ + 1, false);
      claimed_[0] = claimed_[1] = true;
      return true;
    }
  }
  return false;
}

const std::byte* PageWalker::page(uint64_t number) const {
  return file_.data() + number * page_size_;
}

bool PageWalker::claim(uint64_t first, uint64_t count) {
  if (first > last_page_ || count > last_page_ + 1 - first) return false;
  for (uint64_t i = first; i < first + count; ++i) {
    if (claimed_[i]) return false;
  }
  for (uint64_t i = first; i < first + count; ++i) claimed_[i] = true;
  return true;
}

/// Claims a tree page and returns its number of nodes.
std::optional<size_t> PageWalker::open_page(uint64_t number, uint16_t& kind) {
  if (number >= file_pages_ || !claim(number, 1)) {
    damage(number, "page number out of range or used twice");
    return std::nullopt;
  }
  const std::byte* at = page(number);
  kind = load<uint16_t>(at + 10) & static_cast<uint16_t>(~kPassingFlags);
  const uint16_t lower = load<uint16_t>(at + 12);
  const uint16_t upper = load<uint16_t>(at + 14);
  const bool right = load<uint64_t>(at) == number && (kind == kBranch || kind == kLeaf) &&
                     lower >= kPageHeader && lower % 2 == 0 && lower <= upper &&
                     upper <= page_size_;
  if (!right) {
    damage(number, "damaged page header");
    return std::nullopt;
  }
  return (lower - kPageHeader) / 2;
}

std::optional<PageWalker::Node> PageWalker::node(uint64_t number, size_t index, bool leaf) const {
  const std::byte* at = page(number);
  const size_t offset = load<uint16_t>(at + kPageHeader + 2 * index);
  if (offset < load<uint16_t>(at + 14) || offset + kNodeHeader > page_size_) return std::nullopt;
  const std::byte* head = at + offset;
  const uint32_t low = load<uint16_t>(head) | static_cast<uint32_t>(load<uint16_t>(head + 2)) << 16;
  const uint16_t flags = load<uint16_t>(head + 4);
  const size_t key_size = load<uint16_t>(head + 6);
  if (offset + kNodeHeader + key_size > page_size_) return std::nullopt;
  Node result;
  result.key = {reinterpret_cast<const char*>(head + kNodeHeader), key_size};
  if (!leaf) {
    result.child = low | static_cast<uint64_t>(flags) << 32;
    return result;
  }
  result.flags = flags;
  result.size = low;
  result.data = head + kNodeHeader + key_size;
  const size_t inline_size = (flags & kBigData) != 0 ? sizeof(uint64_t) : result.size;
  if (offset + kNodeHeader + key_size + inline_size > page_size_) return std::nullopt;
  return result;
}

void PageWalker::walk_page(Walk& walk, uint64_t number, int depth, const Bounds& bounds) {
  uint16_t kind = 0;
  const auto count = open_page(number, kind);
  if (!count || depth > kMaxDepth) {
    walk.broken = true;
    return;
  }
  const std::byte* at = page(number);
  const uint16_t lower = load<uint16_t>(at + 12);
  report_slack(number * page_size_ + lower, load<uint16_t>(at + 14) - lower);
  if (kind == kLeaf) {
    if (walk.depth == 0) walk.depth = depth + 1;
    if (walk.depth != depth + 1) {
      damage(number, "a leaf at another depth");
      walk.broken = true;
    }
    ++walk.leaf_pages;
    walk_leaf(walk, number, *count, bounds);
  } else {
    ++walk.branch_pages;
    walk_branch(walk, number, *count, depth, bounds);
  }
}

void PageWalker::report_slack(uint64_t offset, uint64_t size) const {
  if (on_slack_ && size > 0) on_slack_(offset, size);
}

void PageWalker::walk_branch(Walk& walk, uint64_t number, size_t count, int depth,
                             const Bounds& bounds) {
  std::vector<std::optional<Node>> nodes;
  for (size_t i = 0; i < count; ++i) nodes.push_back(node(number, i, false));
  for (size_t i = 0; i < count; ++i) {
    if (!nodes[i]) {
      damage(number, "damaged branch node");
      walk.broken = true;
      continue;
    }
    Bounds inner = bounds;  // the first node's key counts as smaller than everything
    if (i > 0) inner.lower = nodes[i]->key;
    if (i + 1 < count && nodes[i + 1]) inner.upper = nodes[i + 1]->key;
    walk_page(walk, nodes[i]->child, depth + 1, inner);
  }
}

void PageWalker::walk_leaf(Walk& walk, uint64_t number, size_t count, const Bounds& bounds) {
  for (size_t i = 0; i < count; ++i) {
    const auto found = node(number, i, true);
    const uint16_t wanted = walk.sub_trees ? kSubTree : 0;
    if (!found || (found->flags & static_cast<uint16_t>(~kBigData)) != wanted) {
      damage(number, "damaged leaf node");
      walk.broken = true;
      continue;
    }
    const bool ordered = (!walk.previous || walk.less(*walk.previous, found->key)) &&
                         (!bounds.lower || !walk.less(found->key, *bounds.lower)) &&
                         (!bounds.upper || walk.less(found->key, *bounds.upper));
    if (!ordered) {
      damage(number, "keys out of order");
      walk.broken = true;
    } else {
      walk.previous = found->key;
    }
    ++walk.records;
    if ((found->flags & kBigData) == 0) {
      const auto* end = found->data + found->size;  // nodes begin at even offsets
      const auto offset = static_cast<uint64_t>(end - file_.data());
      if (offset % 2 == 1) report_slack(offset, 1);
      walk.fn(found->key, {reinterpret_cast<const char*>(found->data), found->size});
    } else if (const auto value = big_value(walk, number, *found)) {
      walk.fn(found->key, *value);
    } else {
      walk.broken = true;
      walk.fn(found->key, {});
    }
  }
}

std::optional<std::string_view> PageWalker::big_value(Walk& walk, uint64_t number,
                                                      const Node& node) {
  const auto first = load<uint64_t>(node.data);
  uint64_t count = (kPageHeader + node.size + page_size_ - 1) / page_size_;
  if (count > file_pages_ || first > file_pages_ - count) {
    damage(number, "a value's pages are out of range");
    return std::nullopt;
  }
  const std::byte* at = page(first);
  if (look_ == Look::everything) {
    // A value that was replaced by a shorter one may keep its pages.
    const uint64_t owned = load<uint32_t>(at + 12);
    const bool right =
        load<uint64_t>(at) == first && load<uint16_t>(at + 10) == kOverflow && owned >= count;
    if (!right) {
      damage(first, "damaged header of a value's pages");
      return std::nullopt;
    }
    count = owned;
  }
  if (!claim(first, count)) {
    damage(number, "a value's pages are out of range or used twice");
    return std::nullopt;
  }
  walk.overflow_pages += count;
  const uint64_t end = first * page_size_ + kPageHeader + node.size;
  const uint64_t room = std::min<uint64_t>((first + count) * page_size_, file_.size());
  if (room > end) report_slack(end, room - end);
  return std::string_view(reinterpret_cast<const char*>(at + kPageHeader), node.size);
}

void PageWalker::walk_tree(Walk& walk, const Tree& tree) {
  if (tree.root != kNoPage) walk_page(walk, tree.root, 0, {});
  if (!walk.broken) compare(walk, tree);
}

/// What the parent says of a tree against what is there.
void PageWalker::compare(const Walk& walk, const Tree& tree) const {
  if (walk.records != tree.entries) {
    damage(tree.root, "a database with " + std::to_string(walk.records) + " records instead of " +
                          std::to_string(tree.entries));
  }
  const bool pages = walk.branch_pages == tree.branch_pages && walk.leaf_pages == tree.leaf_pages &&
                     (look_ == Look::structure || walk.overflow_pages == tree.overflow_pages);
  if (!pages || walk.depth != tree.depth) {
    damage(tree.root, "a database with other pages than its description says");
  }
}

void PageWalker::walk(const Tree& tree, const RecordFn& fn) {
  Walk walk(fn);
  if (tree.flags != 0) damage(tree.root, "a database with impossible flags");
  walk_tree(walk, tree);
}

std::map<std::string, Tree> PageWalker::databases() {
  std::map<std::string, Tree> found;
  const RecordFn fn = [&](std::string_view key, std::string_view value) {
    if (value.size() != kTreeBytes) return;
    found[std::string(key)] = load_tree(reinterpret_cast<const std::byte*>(value.data()));
  };
  Walk walk(fn);
  walk.sub_trees = true;
  walk_tree(walk, main_);
  return found;
}

void PageWalker::check_free_list() {
  std::vector<uint64_t> free;
  const RecordFn fn = [&](std::string_view, std::string_view value) {
    const auto* at = reinterpret_cast<const std::byte*>(value.data());
    const size_t room = value.size() / sizeof(uint64_t);
    const uint64_t count = room == 0 ? 0 : load<uint64_t>(at);
    if (room == 0 || count >= room) {
      damage(free_list_.root, "damaged list of free pages");
      return;
    }
    for (uint64_t i = 1; i <= count; ++i) free.push_back(load<uint64_t>(at + i * sizeof(uint64_t)));
  };
  Walk walk(fn);
  walk.integer_keys = true;
  walk_tree(walk, free_list_);
  for (const uint64_t number : free) {
    if (!claim(number, 1)) damage(number, "a page that is called free is in use or out of range");
  }
}

}  // namespace memlong::membank
