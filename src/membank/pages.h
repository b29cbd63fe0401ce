// Walks the B-trees of an LMDB data file without LMDB, distrusting every byte: LMDB itself follows
// damaged lengths and page numbers wherever they lead. (LMDB 0.9, 64-bit, little-endian.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace memlong::membank {

/// A tree as its parent describes it.
struct Tree {
  uint64_t root = 0;
  uint64_t entries = 0;
  uint16_t flags = 0;
  uint16_t depth = 0;
  uint64_t branch_pages = 0;
  uint64_t leaf_pages = 0;
  uint64_t overflow_pages = 0;
};

/// How far a walk goes. `structure` leaves out the pages that hold nothing but a part of a large
/// value: it reads a small share of the file.
enum class Look : uint8_t { structure, everything };

/// Not thread-safe. The file must stay mapped, and a read transaction of the same id open, so that
/// nobody reuses the pages.
class PageWalker {
 public:
  using RecordFn = std::function<void(std::string_view key, std::string_view value)>;
  using DamageFn = std::function<void(uint64_t page, const std::string& what)>;
  /// Bytes of a page in use that hold nothing: [offset, offset + size) of the file.
  using SlackFn = std::function<void(uint64_t offset, uint64_t size)>;

  PageWalker(std::span<const std::byte> file, DamageFn on_damage, Look look = Look::everything);
  void on_slack(SlackFn fn) { on_slack_ = std::move(fn); }  ///< needs Look::everything

  /// False when no meta page speaks of this transaction.
  bool load_meta(uint64_t transaction);
  /// The named databases.
  std::map<std::string, Tree> databases();
  /// Calls fn for every record that can be reached, in key order. A subtree that is damaged is
  /// reported and left out.
  void walk(const Tree& tree, const RecordFn& fn);
  /// Pages that are called free must not be in use. Call it after all trees were walked.
  void check_free_list();

 private:
  struct Node;
  struct Walk;
  struct Bounds {
    std::optional<std::string_view> lower;  ///< keys are >= this
    std::optional<std::string_view> upper;  ///< and < this
  };

  [[nodiscard]] const std::byte* page(uint64_t number) const;
  bool claim(uint64_t first, uint64_t count);
  void damage(uint64_t number, const std::string& what) const { on_damage_(number, what); }
  std::optional<Node> node(uint64_t number, size_t index, bool leaf) const;
  std::optional<size_t> open_page(uint64_t number, uint16_t& kind);
  void walk_tree(Walk& walk, const Tree& tree);
  void compare(const Walk& walk, const Tree& tree) const;
  void walk_page(Walk& walk, uint64_t number, int depth, const Bounds& bounds);
  void walk_branch(Walk& walk, uint64_t number, size_t count, int depth, const Bounds& bounds);
  void walk_leaf(Walk& walk, uint64_t number, size_t count, const Bounds& bounds);
  std::optional<std::string_view> big_value(Walk& walk, uint64_t number, const Node& node);
  void report_slack(uint64_t offset, uint64_t size) const;

  std::span<const std::byte> file_;
  DamageFn on_damage_;
  SlackFn on_slack_;
  Look look_;
  size_t page_size_ = 0;
  uint64_t file_pages_ = 0;
  uint64_t last_page_ = 0;  ///< pages that were never written may be missing at the file's end
  Tree free_list_;
  Tree main_;
  std::vector<bool> claimed_;
};

}  // namespace memlong::membank
