#include "engine/chunk_cache.h"

#include <utility>

namespace memlong::engine {

const Tensor* ChunkCache::find(const ChunkKey& key) {
  const auto place = places_.find(key);
  if (place == places_.end()) {
    ++misses_;
    return nullptr;
  }
  ++hits_;
  entries_.splice(entries_.begin(), entries_, place->second);
  return &place->second->kv;
}

void ChunkCache::insert(const ChunkKey& key, Tensor kv) {
  erase(key);
  if (most_ <= 0) return;
  if (size() == most_) {
    places_.erase(entries_.back().key);
    entries_.pop_back();
  }
  entries_.push_front({key, std::move(kv)});
  places_.emplace(key, entries_.begin());
}

void ChunkCache::erase(const ChunkKey& key) {
  const auto place = places_.find(key);
  if (place == places_.end()) return;
  entries_.erase(place->second);
  places_.erase(place);
}

void ChunkCache::erase_if(const std::function<bool(const ChunkKey&)>& goes) {
  for (auto place = places_.begin(); place != places_.end();) {
    if (goes(place->first)) {
      entries_.erase(place->second);
      place = places_.erase(place);
    } else {
      ++place;
    }
  }
}

}  // namespace memlong::engine
