#include <type_traits>

#include "ops/attention_kernels.h"
#include "ops/cuda/attention_forward.h"
#include "ops/dispatch.h"

namespace memlong::ops {
namespace {

using device::AttentionBatch;
using device::AttentionTile;
using device::kTileKeys;
using device::kTileRows;

// Calls of few rows share out their keys over blocks, so that a GPU has work: as many pieces as
// make so many blocks, of so many keys at least. It depends on the call's shapes alone.
constexpr int64_t kFewRows = 512;
constexpr int64_t kManyBlocks = 256;
constexpr int64_t kPieceKeys = kAttentionPlanKeys;

int64_t rows_of(const AttentionArgs& args) {
  return args.q.dim(0) * (args.q.dim(1) / args.k.dim(0));
}

/// Rows of a tile.
template <class T>
int64_t tile_rows(std::span<const AttentionArgs> calls) {
  constexpr int64_t kDouble = 2 * kTileRows;
  int64_t blocks = 0;
  for (const AttentionArgs& args : calls) {
    if (args.q.dim(2) > device::kMaxDoubleDim || std::is_same_v<T, float>) return kTileRows;
    blocks += (rows_of(args) + kDouble - 1) / kDouble * args.k.dim(0);
  }
  return blocks < kManyBlocks / 2 ? kTileRows : kDouble;
}

/// Of a tile, however many keys it reads.
int64_t most_pieces(const AttentionArgs& args) {
  if (rows_of(args) > kFewRows) return 1;
  const int64_t blocks = (rows_of(args) + kTileRows - 1) / kTileRows * args.k.dim(0);
  return std::max<int64_t>(1, kManyBlocks / blocks);
}

template <class T>
AttentionTile<T> tile_of(const AttentionArgs& args, const device::RowRange& range) {
  const int64_t groups = args.k.dim(0);
  AttentionTile<T> tile{};
  tile.q = device::query_rows<const T>(args.q, groups);
  tile.keys = device::keys_of<T>(args, range);
  tile.out = device::query_rows<T>(args.out, groups);
  tile.lse = device::query_rows<float>(args.lse, groups);
  tile.width = device::common_width(args.q.dim(2), {&args.q, &args.k, &args.v});
  if (range.memory != nullptr) {
    const MemorySegment& memory = *range.memory;
    tile.width = std::min(tile.width, device::common_width(args.q.dim(2), {&memory.k, &memory.v}));
  }
  tile.groups = static_cast<int>(groups);
  tile.first = static_cast<int>(range.first);
  tile.rows = static_cast<int>(range.last - range.first);
  tile.offset = static_cast<int>(args.offset);
  tile.moved_to = args.position.raw() == nullptr ? nullptr : args.position.data<int32_t>();
  tile.dim = static_cast<int>(args.q.dim(2));
  tile.paired = rows_aligned(args.out, 4);
  tile.scale = args.scale * device::kLog2e;
  tile.pieces = 1;
  return tile;
}

/// The tiles of all calls. `floats`: of their pieces' results, which begin at each tile's `starts`.
template <class T>
std::vector<AttentionTile<T>> cut(std::span<const AttentionArgs> calls,
                                  std::vector<int64_t>& starts, int64_t& floats) {
  std::vector<AttentionTile<T>> tiles;
  const int64_t rows = tile_rows<T>(calls);
  for (const AttentionArgs& args : calls) {
    if (args.q.empty()) continue;
    const int64_t most = most_pieces(args);
    for (const device::RowRange& range : device::cut_rows(args, rows)) {
      AttentionTile<T> tile = tile_of<T>(args, range);
      const int64_t keys = tile.keys.memory + tile.keys.local;
      tile.pieces = static_cast<int>(std::clamp<int64_t>(keys / kPieceKeys, 1, most));
      tiles.push_back(tile);
      starts.push_back(floats);
      if (tile.pieces == 1) continue;
      // Room for more keys, so that it need not grow while text is generated; even, for pairs.
      const int64_t room = most * tile.groups * tile.rows * (tile.dim + 1);
      floats += room + room % 2;
    }
  }
  return tiles;
}

template <class T>
void give_memory(Context& context, const std::vector<int64_t>& starts, int64_t floats,
                 std::vector<AttentionTile<T>>& tiles) {
  if (floats == 0) return;
  auto* memory = context.scratch("attention pieces", {floats}, DType::f32).template data<float>();
  for (size_t i = 0; i < tiles.size(); ++i) {
    AttentionTile<T>& tile = tiles[i];
    if (tile.pieces == 1) continue;
    tile.sums = memory + starts[i];
    tile.sums_lse = tile.sums + int64_t{tile.pieces} * tile.groups * tile.rows * tile.dim;
  }
}

template <class T>
void run(Context& context, std::span<const AttentionArgs> calls) {
  std::vector<int64_t> starts;
  int64_t floats = 0;
  std::vector<AttentionTile<T>> tiles = cut<T>(calls, starts, floats);
  if (tiles.empty()) return;
  give_memory(context, starts, floats, tiles);
  // Those that read the most go first, so that all end together.
  std::stable_sort(tiles.begin(), tiles.end(), [](const auto& a, const auto& b) {
    return (a.keys.memory + a.keys.local) / a.pieces > (b.keys.memory + b.keys.local) / b.pieces;
  });
  AttentionBatch<T> batch;
  batch.grid = dim3(static_cast<unsigned>(tiles.size()));
  for (const AttentionTile<T>& tile : tiles) {
    batch.grid.y = std::max(batch.grid.y, static_cast<unsigned>(tile.groups));
    batch.grid.z = std::max(batch.grid.z, static_cast<unsigned>(tile.pieces));
    batch.rows = std::max(batch.rows, static_cast<unsigned>(tile.rows));
    batch.dim = std::max(batch.dim, tile.dim);
  }
  batch.tiles = device::make_table(context, "attention tiles", tiles);
  if constexpr (std::is_same_v<T, bf16>) {
    device::attend_mma(context, batch);
  } else {
    device::attend_plain(context, batch);
  }
  if (batch.grid.z > 1) device::combine_pieces(context, batch);
}

}  // namespace

template <>
void attention_kernel<Device::cuda>(Context& context, std::span<const AttentionArgs> calls) {
  dispatch_float(calls[0].q.dtype(), [&](auto type) { run<decltype(type)>(context, calls); });
}

}  // namespace memlong::ops
