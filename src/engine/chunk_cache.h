// Keys and values of chunks that were read lately, kept where the network runs.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <list>
#include <map>

#include "membank/types.h"
#include "tensor/tensor.h"

namespace memlong::engine {

/// A chunk of a bank, or (id 0) of the own stream and not in a bank yet.
struct ChunkKey {
  membank::ChunkId id = 0;
  int64_t begin = 0;  ///< only where id is 0
  auto operator<=>(const ChunkKey&) const = default;
};

/// At most so many chunks; the one that was not asked for the longest goes first. Knows nothing of
/// banks: whoever has it says what must no longer be served. Not thread-safe.
class ChunkCache {
 public:
  explicit ChunkCache(int64_t chunks) : most_(chunks) {}

  /// Null where it is not there. Valid until the next change.
  [[nodiscard]] const Tensor* find(const ChunkKey& key);
  /// In place of what was there under this key.
  void insert(const ChunkKey& key, Tensor kv);
  void erase(const ChunkKey& key);
  void erase_if(const std::function<bool(const ChunkKey&)>& goes);

  [[nodiscard]] int64_t capacity() const { return most_; }
  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(entries_.size()); }
  [[nodiscard]] int64_t hits() const { return hits_; }      ///< of find()
  [[nodiscard]] int64_t misses() const { return misses_; }  ///< of find()

 private:
  struct Entry {
    ChunkKey key;
    Tensor kv;
  };

  int64_t most_;
  std::list<Entry> entries_;  ///< the one asked for last comes first
  std::map<ChunkKey, std::list<Entry>::iterator> places_;
  int64_t hits_ = 0;
  int64_t misses_ = 0;
};

}  // namespace memlong::engine
