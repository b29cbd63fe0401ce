#include "tokenizer/spm_charsmap.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace memlong::tokenizer {
namespace {

constexpr size_t kLabels = 256;
constexpr int kMostMatches = 32;

/// A double array as darts-clone lays it out: a unit is a label with a flag and an offset, or a
/// value.
class Trie {
 public:
  Trie(std::vector<uint32_t> units, size_t text_bytes)
      : units_(std::move(units)), matches_(units_.size(), kNew), text_bytes_(text_bytes) {}

  /// Walks over everything that can be reached, each unit once.
  bool sound() {
    if (!enter(0)) return false;
    while (!path_.empty()) {
      Step& step = path_.back();
      if (step.next_label == kLabels) {
        leave();
        continue;
      }
      const size_t label = step.next_label++;
      const size_t child = step.base ^ label;
      if ((units_[child] & (kValueFlag | 0xFFU)) != label) continue;
      if (matches_[child] == kOpen) return false;  // it leads back to itself
      if (matches_[child] == kNew) {
        if (!enter(child)) return false;
      } else {
        step.deepest = std::max(step.deepest, matches_[child]);
      }
    }
    return matches_[0] <= kMostMatches;
  }

 private:
  static constexpr uint32_t kValueFlag = 0x80000000U;
  static constexpr int kNew = -1;
  static constexpr int kOpen = -2;

  struct Step {
    size_t unit = 0;
    size_t base = 0;        ///< its children stand at base ^ label
    size_t next_label = 0;  ///< the one to look at next
    int own = 0;            ///< 1: a match ends here
    int deepest = 0;        ///< most matches on a way down from here
  };

  bool enter(size_t unit) {
    const uint32_t bits = units_[unit];
    const size_t offset = size_t{bits >> 10U} << ((bits & 0x200U) >> 6U);
    const size_t base = unit ^ offset;
    if ((base | (kLabels - 1)) >= units_.size()) return false;
    const bool match = unit != 0 && (bits & 0x100U) != 0;
    if (match && (units_[base] & ~kValueFlag) >= text_bytes_) return false;
    matches_[unit] = kOpen;
    path_.push_back({.unit = unit, .base = base, .own = match ? 1 : 0});
    return true;
  }

  void leave() {
    const Step done = path_.back();
    path_.pop_back();
    matches_[done.unit] = done.deepest + done.own;
    if (!path_.empty()) path_.back().deepest = std::max(path_.back().deepest, matches_[done.unit]);
  }

  std::vector<uint32_t> units_;
  std::vector<int> matches_;  ///< of each unit: most matches from it down, or kNew, kOpen
  std::vector<Step> path_;
  size_t text_bytes_;
};

}  // namespace

bool charsmap_sound(std::string_view blob) {
  if (blob.empty()) return true;
  uint32_t trie_bytes = 0;
  if (blob.size() <= sizeof(trie_bytes)) return false;
  std::memcpy(&trie_bytes, blob.data(), sizeof(trie_bytes));
  blob.remove_prefix(sizeof(trie_bytes));
  if (trie_bytes >= blob.size() || trie_bytes % sizeof(uint32_t) != 0 || blob.back() != '\0') {
    return false;
  }
  std::vector<uint32_t> units(trie_bytes / sizeof(uint32_t));
  if (units.empty()) return false;
  std::memcpy(units.data(), blob.data(), trie_bytes);
  return Trie(std::move(units), blob.size() - trie_bytes).sound();
}

}  // namespace memlong::tokenizer
