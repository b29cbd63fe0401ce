#include "ops/attention_kernels.h"
#include "ops/cuda/attention_backward.h"
#include "ops/dispatch.h"

namespace memlong::ops {
namespace {

using device::GradientCall;
using device::KeyTile;
using device::QueryTile;

int64_t rows_of(const AttentionArgs& args) {
  return args.q.dim(0) * (args.q.dim(1) / args.k.dim(0));
}

template <class T>
GradientCall<T> call_of(const AttentionBackwardArgs& args, const device::RowTerm* terms) {
  const AttentionArgs& forward = args.forward;
  const int64_t groups = forward.k.dim(0);
  GradientCall<T> call{};
  call.q = device::query_rows<const T>(forward.q, groups);
  call.dout = device::query_rows<const T>(args.dout, groups);
  call.terms = terms;
  call.groups = static_cast<int>(groups);
  call.rows = static_cast<int>(rows_of(forward));
  call.offset = static_cast<int>(forward.offset);
  call.dim = static_cast<int>(forward.q.dim(2));
  call.width = device::common_width(call.dim, {&forward.q, &args.dout, &forward.k, &forward.v});
  for (const MemorySegment& segment : forward.memory) {
    if (segment.k.empty()) continue;
    call.width = std::min(call.width, device::common_width(call.dim, {&segment.k, &segment.v}));
  }
  call.scale = forward.scale * device::kLog2e;
  call.gradient = forward.scale;
  return call;
}

template <class T>
void cut_queries(const AttentionBackwardArgs& args, const GradientCall<T>& call,
                 std::vector<QueryTile<T>>& tiles) {
  const AttentionArgs& forward = args.forward;
  for (const device::RowRange& range : device::cut_rows(forward, device::kGradientTile<T>)) {
    QueryTile<T> tile{};
    tile.call = call;
    tile.keys = device::keys_of<T>(forward, range);
    tile.dq = device::query_rows<T>(args.dq, call.groups);
    tile.paired = rows_aligned(args.dq, 4);
    tile.first = static_cast<int>(range.first);
    tile.count = static_cast<int>(range.last - range.first);
    tiles.push_back(tile);
  }
}

/// Tiles that one block works on, one after the other.
template <class T>
using Chain = std::vector<KeyTile<T>>;

template <class T>
void cut_window(const AttentionBackwardArgs& args, const GradientCall<T>& call,
                std::vector<Chain<T>>& chains) {
  const AttentionArgs& forward = args.forward;
  const auto keys = static_cast<int>(forward.k.dim(1));
  const int heads = call.q.heads;
  for (int first = 0; first < keys; first += device::kGradientTile<T>) {
    KeyTile<T> tile{};
    tile.call = call;
    tile.k = device::key_rows<const T>(forward.k);
    tile.v = device::key_rows<const T>(forward.v);
    tile.dk = device::key_rows<T>(args.dk);
    tile.dv = device::key_rows<T>(args.dv);
    tile.paired = rows_aligned(args.dk, 4) && rows_aligned(args.dv, 4);
    tile.first = first;
    tile.count = std::min(device::kGradientTile<T>, keys - first);
    tile.begin = std::min(std::max(0, first - call.offset) * heads, call.rows);
    tile.end = call.rows;
    chains.push_back({tile});
  }
}

bool same_place(const TensorView& a, const TensorView& b) {
  return !a.empty() && !b.empty() && a.raw() == b.raw();
}

/// Segments whose gradients have a place in common.
std::vector<std::vector<size_t>> shared_gradients(const AttentionBackwardArgs& args) {
  std::vector<std::vector<size_t>> groups;
  const auto touches = [&](size_t a, size_t b) {
    const MemoryGradient& x = args.memory[a];
    const MemoryGradient& y = args.memory[b];
    return same_place(x.dk, y.dk) || same_place(x.dk, y.dv) || same_place(x.dv, y.dk) ||
           same_place(x.dv, y.dv);
  };
  for (size_t i = 0; i < args.memory.size(); ++i) {
    const MemorySegment& segment = args.forward.memory[i];
    const bool wanted = !args.memory[i].dk.empty() || !args.memory[i].dv.empty();
    if (!wanted || segment.k.empty() || segment.begin == segment.end) continue;
    std::vector<size_t> joined;
    std::erase_if(groups, [&](const std::vector<size_t>& group) {
      const bool joins = std::ranges::any_of(group, [&](size_t j) { return touches(i, j); });
      if (joins) joined.insert(joined.end(), group.begin(), group.end());
      return joins;
    });
    joined.push_back(i);
    std::ranges::sort(joined);
    groups.push_back(joined);
  }
  return groups;
}

template <class T>
KeyTile<T> memory_tile(const AttentionBackwardArgs& args, const GradientCall<T>& call, size_t i,
                       int first) {
  const MemorySegment& segment = args.forward.memory[i];
  const int heads = call.q.heads;
  KeyTile<T> tile{};
  tile.call = call;
  tile.k = device::key_rows<const T>(segment.k);
  tile.v = device::key_rows<const T>(segment.v);
  if (!args.memory[i].dk.empty()) tile.dk_memory = device::key_rows<float>(args.memory[i].dk);
  if (!args.memory[i].dv.empty()) tile.dv_memory = device::key_rows<float>(args.memory[i].dv);
  tile.memory = true;
  tile.first = first;
  tile.count = std::min(device::kGradientTile<T>, static_cast<int>(segment.k.dim(1)) - first);
  tile.begin = static_cast<int>(segment.begin) * heads;
  tile.end = static_cast<int>(segment.end) * heads;
  return tile;
}

template <class T>
void cut_memory(const AttentionBackwardArgs& args, const GradientCall<T>& call,
                std::vector<Chain<T>>& chains) {
  for (const std::vector<size_t>& group : shared_gradients(args)) {
    int64_t keys = 0;
    for (const size_t i : group) keys = std::max(keys, args.forward.memory[i].k.dim(1));
    for (int first = 0; first < keys; first += device::kGradientTile<T>) {
      Chain<T> chain;
      for (const size_t i : group) {
        if (args.forward.memory[i].k.dim(1) <= first) continue;
        chain.push_back(memory_tile(args, call, i, first));
        chain.back().goes_on = chain.size() > 1;
        if (chain.size() > 1) chain[chain.size() - 2].more = true;
      }
      chains.push_back(chain);
    }
  }
}

template <class T>
std::vector<KeyTile<T>> in_order(std::vector<Chain<T>> chains) {
  const auto rows = [](const Chain<T>& chain) {
    int64_t sum = 0;
    for (const KeyTile<T>& tile : chain) sum += tile.end - tile.begin;
    return sum;
  };
  // What takes longest goes first, so that all end together.
  std::stable_sort(chains.begin(), chains.end(),
                   [&](const Chain<T>& a, const Chain<T>& b) { return rows(a) > rows(b); });
  std::vector<KeyTile<T>> tiles;
  for (const Chain<T>& chain : chains) tiles.insert(tiles.end(), chain.begin(), chain.end());
  return tiles;
}

template <class Tile>
dim3 grid_of(const std::vector<Tile>& tiles) {
  unsigned groups = 1;
  for (const Tile& tile : tiles) groups = std::max(groups, static_cast<unsigned>(tile.call.groups));
  return {static_cast<unsigned>(tiles.size()), groups};
}

template <class T>
void run(Context& context, std::span<const AttentionBackwardArgs> calls) {
  int64_t rows = 0;
  for (const AttentionBackwardArgs& args : calls) {
    rows += rows_of(args.forward) * args.forward.k.dim(0);
  }
  device::RowTerm* terms = nullptr;
  if (rows > 0) {
    const TensorView memory = context.scratch("attention_backward", {rows, 2}, DType::f32);
    terms = static_cast<device::RowTerm*>(memory.raw());
  }
  std::vector<device::TermsOfCall<T>> terms_of_calls;
  std::vector<QueryTile<T>> queries;
  std::vector<Chain<T>> chains;
  device::GradientBatch<T> batch;
  for (const AttentionBackwardArgs& args : calls) {
    const GradientCall<T> call = call_of<T>(args, terms);
    cut_window(args, call, chains);
    batch.dim = std::max(batch.dim, call.dim);
    if (call.rows == 0) continue;
    cut_queries(args, call, queries);
    cut_memory(args, call, chains);
    terms_of_calls.push_back({device::query_rows<const T>(args.forward.out, call.groups), call.dout,
                              device::query_rows<const float>(args.forward.lse, call.groups), terms,
                              call.groups, call.rows, call.dim});
    terms += int64_t{call.groups} * call.rows;
  }
  std::stable_sort(queries.begin(), queries.end(), [](const auto& a, const auto& b) {
    return a.keys.memory + a.keys.local > b.keys.memory + b.keys.local;
  });
  const std::vector<KeyTile<T>> keys = in_order(std::move(chains));
  batch.query_grid = grid_of(queries);
  batch.key_grid = grid_of(keys);
  batch.queries = device::make_table(context, "attention_backward queries", queries);
  batch.keys = device::make_table(context, "attention_backward keys", keys);
  device::attention_row_terms(context, terms_of_calls);
  if constexpr (std::is_same_v<T, bf16>) {
    device::attend_backward_mma(context, batch);
  } else {
    device::attend_backward_plain(context, batch);
  }
}

}  // namespace

template <>
void attention_backward_kernel<Device::cuda>(Context& context,
                                             std::span<const AttentionBackwardArgs> calls) {
  dispatch_float(calls[0].forward.q.dtype(),
                 [&](auto type) { run<decltype(type)>(context, calls); });
}

}  // namespace memlong::ops
