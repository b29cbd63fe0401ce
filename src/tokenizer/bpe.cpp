#include "tokenizer/bpe.h"

#include <algorithm>
#include <queue>
#include <tuple>

#include "common/utf8.h"

namespace memlong::tokenizer {
namespace {

uint64_t pair_key(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

/// A token of the word while it is merged: a list linked both ways.
struct Part {
  int32_t id = -1;  ///< -1: it went into the one before
  int32_t before = -1;
  int32_t behind = -1;
};

/// Two neighbours that could be merged; out of date where their ids have changed since.
struct Candidate {
  int32_t rank = 0;
  int32_t at = 0;
  int32_t left = 0;
  int32_t right = 0;
  int32_t merged = 0;
  bool operator<(const Candidate& other) const {  // the greatest is taken first
    return std::tie(other.rank, other.at) < std::tie(rank, at);
  }
};

}  // namespace

Bpe::Bpe(const BpeRules& rules)
    : fallback_(rules.fallback),
      unknown_(rules.unknown),
      fuse_unknown_(rules.fuse_unknown),
      byte_level_(rules.byte_level),
      ignore_merges_(rules.ignore_merges) {
  bytes_.fill(-1);
  vocabulary_.reserve(rules.tokens.size());
  for (size_t id = 0; id < rules.tokens.size(); ++id) {
    const std::string& text = rules.tokens[id];
    if (text.empty()) continue;
    vocabulary_[text] = static_cast<int32_t>(id);
    if (text.size() == 1) bytes_[static_cast<uint8_t>(text[0])] = static_cast<int32_t>(id);
  }
  const auto usable = [&](int32_t id) { return !rules.tokens.at(static_cast<size_t>(id)).empty(); };
  merges_.reserve(rules.merges.size());
  for (size_t rank = 0; rank < rules.merges.size(); ++rank) {
    const auto& [left, right, merged] = rules.merges[rank];
    if (!usable(left) || !usable(right) || !usable(merged)) continue;
    merges_[pair_key(left, right)] = {static_cast<int32_t>(rank), merged};
  }
}

Ids Bpe::first_tokens(std::string_view word) const {
  Ids ids;
  ids.reserve(word.size());
  const auto unknown = [&] {
    if (unknown_ >= 0 && !(fuse_unknown_ && !ids.empty() && ids.back() == unknown_)) {
      ids.push_back(unknown_);
    }
  };
  for (size_t at = 0; at < word.size();) {
    if (byte_level_) {
      const int32_t id = bytes_[static_cast<uint8_t>(word[at++])];
      id >= 0 ? ids.push_back(id) : unknown();
      continue;
    }
    const size_t length = character_length(word.substr(at));
    const std::string_view character = word.substr(at, length);
    at += length;
    const auto found = vocabulary_.find(character);
    if (found != vocabulary_.end()) {
      ids.push_back(found->second);
    } else if (std::all_of(character.begin(), character.end(),
                           [&](char byte) { return fallback_[static_cast<uint8_t>(byte)] >= 0; })) {
      for (const char byte : character) ids.push_back(fallback_[static_cast<uint8_t>(byte)]);
    } else {
      unknown();
    }
  }
  return ids;
}

const Bpe::Merge* Bpe::merge_of(int32_t left, int32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

/// The pair that was learnt first is merged, the leftmost of equals, until there is none.
void Bpe::merge_all(Ids& ids) const {
  const auto count = static_cast<int32_t>(ids.size());
  std::vector<Part> parts(ids.size());
  std::priority_queue<Candidate> queue;
  const auto offer = [&](int32_t at) {
    const int32_t behind = at < 0 ? -1 : parts[static_cast<size_t>(at)].behind;
    if (behind < 0) return;
    const int32_t left = parts[static_cast<size_t>(at)].id;
    const int32_t right = parts[static_cast<size_t>(behind)].id;
    if (const Merge* merge = merge_of(left, right)) {
      queue.push({merge->rank, at, left, right, merge->id});
    }
  };
  for (int32_t i = 0; i < count; ++i) {
    parts[static_cast<size_t>(i)] = {ids[static_cast<size_t>(i)], i - 1,
                                     i + 1 < count ? i + 1 : -1};
  }
  for (int32_t i = 0; i + 1 < count; ++i) offer(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Part& left = parts[static_cast<size_t>(best.at)];
    if (left.id != best.left || left.behind < 0) continue;
    Part& right = parts[static_cast<size_t>(left.behind)];
    if (right.id != best.right) continue;
    left.id = best.merged;
    left.behind = right.behind;
    right.id = -1;
    if (left.behind >= 0) parts[static_cast<size_t>(left.behind)].before = best.at;
    offer(left.before);
    offer(best.at);
  }
  ids.clear();
  for (int32_t i = count > 0 ? 0 : -1; i >= 0; i = parts[static_cast<size_t>(i)].behind) {
    ids.push_back(parts[static_cast<size_t>(i)].id);
  }
}

void Bpe::encode(std::string_view word, Ids& into) const {
  if (ignore_merges_) {
    const auto found = vocabulary_.find(word);
    if (found != vocabulary_.end()) {
      into.push_back(found->second);
      return;
    }
  }
  Ids ids = first_tokens(word);
  if (ids.size() > 1) merge_all(ids);
  into.insert(into.end(), ids.begin(), ids.end());
}

}  // namespace memlong::tokenizer
