#include "engine/gather.h"

#include <algorithm>
#include <utility>

#include "common/error.h"
#include "ops/copy.h"

namespace memlong::engine {
namespace {

ChunkKey key_of(const RetrievedChunk& chunk) {
  return chunk.id != 0 ? ChunkKey{.id = chunk.id, .begin = 0}
                       : ChunkKey{.id = 0, .begin = chunk.begin};
}

/// K (0) or V (1) of [2, G, n, D].
TensorView half(const TensorView& kv, int which) {
  const Shape shape{kv.dim(1), kv.dim(2), kv.dim(3)};
  const TensorView one = kv.slice(0, which, which + 1);
  return {one.raw(), one.dtype(), shape, {kv.stride(1), kv.stride(2), kv.stride(3)}, kv.device()};
}

bool all(const std::vector<bool>& there) {
  return std::find(there.begin(), there.end(), false) == there.end();
}

/// Takes out the items that are not there.
template <class Item>
void keep(std::vector<Item>& items, const std::vector<bool>& there) {
  std::vector<Item> kept;
  for (size_t i = 0; i < items.size(); ++i) {
    if (there[i]) kept.push_back(std::move(items[i]));
  }
  items = std::move(kept);
}

}  // namespace

SetGatherer::SetGatherer(Context& context, const KvLayout& layout, int64_t cached_chunks)
    : context_(context), layout_(layout), cache_(cached_chunks), copies_(context) {}

Shape SetGatherer::shape_of(int64_t tokens) const {
  return {layout_.kv_heads, tokens, layout_.head_dim};
}

RetrievedSet SetGatherer::gather(std::vector<RetrievedChunk> chunks, const ChunkReader& read) {
  std::erase_if(chunks, [](const RetrievedChunk& chunk) { return chunk.tokens == 0; });
  if (context_.device() == Device::cpu && cache_.capacity() == 0) {
    return read_in_place(std::move(chunks), read);
  }
  std::vector<Part> parts = look_up(std::move(chunks));
  std::shared_ptr<void> memory;
  const TensorView arrived = bring(parts, read, memory);
  return assemble(parts, arrived);
}

std::vector<SetGatherer::Part> SetGatherer::look_up(std::vector<RetrievedChunk> chunks) {
  std::vector<Part> parts;
  for (RetrievedChunk& chunk : chunks) {
    const Tensor* known = cache_.capacity() > 0 ? cache_.find(key_of(chunk)) : nullptr;
    parts.push_back({std::move(chunk), known == nullptr ? Tensor() : *known, 0});
  }
  return parts;
}

/// In main memory each chunk is read to where it is needed.
RetrievedSet SetGatherer::read_in_place(std::vector<RetrievedChunk> chunks,
                                        const ChunkReader& read) const {
  for (;;) {
    int64_t total = 0;
    for (const RetrievedChunk& chunk : chunks) total += chunk.tokens;
    if (total == 0) return {};
    const Tensor k(shape_of(total), layout_.dtype);
    const Tensor v(k.shape(), layout_.dtype);
    std::vector<ChunkPlace> places;
    int64_t at = 0;
    for (const RetrievedChunk& chunk : chunks) {
      const int64_t end = at + chunk.tokens;
      places.push_back({&chunk, k.view().slice(1, at, end), v.view().slice(1, at, end)});
      at = end;
    }
    const std::vector<bool> there = read(places);
    MEMLONG_CHECK(there.size() == places.size(), "a reader answers for every chunk");
    if (all(there)) return {.chunks = std::move(chunks), .k = k, .v = v};
    keep(chunks, there);
  }
}

/// Reads what is not at hand, [2, G, tokens, D] where the context computes, as long as `memory`
/// lives. Parts that are gone are taken out.
TensorView SetGatherer::bring(std::vector<Part>& parts, const ChunkReader& read,
                              std::shared_ptr<void>& memory) {
  for (;;) {
    int64_t total = 0;
    for (const Part& part : parts) total += part.cached.empty() ? part.chunk.tokens : 0;
    if (total == 0) return {};
    const Shape shape{2, layout_.kv_heads, total, layout_.head_dim};
    Staging& staging = staging_[next_];
    staging.sent.wait();
    const TensorView host = staging.buffer.room(context_, shape, layout_.dtype);
    const std::vector<bool> there = read_missing(parts, read, host);
    if (!all(there)) {
      keep(parts, there);
      continue;
    }
    if (context_.device() == Device::cpu) return host;
    next_ = (next_ + 1) % staging_.size();
    memory = copies_.allocate(host.bytes());
    const TensorView device(memory.get(), layout_.dtype, shape, context_.device());
    copies_.copy(host, device);
    staging.sent = copies_.mark();
    copies_.lead();
    return device;
  }
}

/// Says of each part whether it is at hand or was there to be read.
std::vector<bool> SetGatherer::read_missing(std::vector<Part>& parts, const ChunkReader& read,
                                            const TensorView& host) {
  std::vector<ChunkPlace> places;
  std::vector<size_t> missing;
  int64_t at = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    Part& part = parts[i];
    if (!part.cached.empty()) continue;
    part.place = at;
    at += part.chunk.tokens;
    const TensorView rows = host.slice(2, part.place, at);
    places.push_back({&part.chunk, half(rows, 0), half(rows, 1)});
    missing.push_back(i);
  }
  const std::vector<bool> read_ones = read(places);
  MEMLONG_CHECK(read_ones.size() == places.size(), "a reader answers for every chunk");
  std::vector<bool> there(parts.size(), true);
  for (size_t i = 0; i < missing.size(); ++i) there[missing[i]] = read_ones[i];
  return there;
}

RetrievedSet SetGatherer::assemble(const std::vector<Part>& parts, const TensorView& arrived) {
  RetrievedSet set;
  int64_t total = 0;
  for (const Part& part : parts) total += part.chunk.tokens;
  if (total == 0) return set;
  context_.activate();
  set.k = Tensor(shape_of(total), layout_.dtype, context_.device());
  set.v = Tensor(shape_of(total), layout_.dtype, context_.device());
  std::vector<ops::CopyPair> copies;
  std::vector<std::pair<ChunkKey, Tensor>> fresh;
  int64_t at = 0;
  for (const Part& part : parts) {
    const int64_t end = at + part.chunk.tokens;
    const bool read = part.cached.empty();
    const TensorView from =
        read ? arrived.slice(2, part.place, part.place + part.chunk.tokens) : part.cached.view();
    copies.push_back({half(from, 0), set.k.view().slice(1, at, end)});
    copies.push_back({half(from, 1), set.v.view().slice(1, at, end)});
    if (read && cache_.capacity() > 0) {
      Tensor kv(from.shape(), layout_.dtype, context_.device());
      copies.push_back({from, kv});
      fresh.emplace_back(key_of(part.chunk), std::move(kv));
    }
    at = end;
    set.chunks.push_back(part.chunk);
  }
  ops::copy(context_, copies);
  // Only now: one of many new entries may push out another.
  for (auto& [key, kv] : fresh) cache_.insert(key, std::move(kv));
  return set;
}

}  // namespace memlong::engine
