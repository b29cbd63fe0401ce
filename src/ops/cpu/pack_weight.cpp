#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <utility>

#include "ops/cpu/any_dtype.h"
#include "ops/cpu/convert.h"
#include "ops/cpu/onednn.h"
#include "ops/cpu/weight_places.h"
#include "ops/dispatch.h"
#include "ops/matmul_kernels.h"
#include "tensor/parallel.h"

namespace memlong::ops {
namespace {

using cpu::BlockedWeight;
using cpu::WeightPlaces;
using dnnl::memory;

/// Of an element, on one thread.
constexpr double kElementNanoseconds = 0.5;
constexpr int64_t kMostColumns = 256;

bool padded(const memory::desc& layout) {
  const auto& dims = layout.data;
  return !std::equal(dims.dims, dims.dims + dims.ndims, dims.padded_dims);
}

/// All that a blocked layout consists of, in words.
std::string describe(const memory::desc& layout) {
  const dnnl_memory_desc_t& all = layout.data;
  const dnnl_blocking_desc_t& blocking = all.format_desc.blocking;
  std::ostringstream text;
  text << "type " << all.data_type << " format " << all.format_kind << " offset " << all.offset0
       << " flags " << all.extra.flags;
  for (int i = 0; i < all.ndims; ++i) {
    text << " dim " << all.dims[i] << '/' << all.padded_dims[i] << '+' << all.padded_offsets[i]
         << " stride " << blocking.strides[i];
  }
  for (int i = 0; i < blocking.inner_nblks; ++i) {
    text << " block " << blocking.inner_idxs[i] << ':' << blocking.inner_blks[i];
  }
  return text.str();
}

/// Puts a matrix at row `row` of the stack into its places.
template <class From, class To>
void pack_part(Context& context, const TensorView& part, int64_t row, const WeightPlaces& places,
               To* out) {
  const int64_t height = places.tile_rows();
  const int64_t width = places.tile_columns();
  const int64_t end = row + part.dim(0);
  const int64_t columns = part.dim(1);
  const int64_t first_tile = row / height;
  const int64_t down = (end + height - 1) / height - first_tile;
  const int64_t across = (columns + width - 1) / width;
  const auto* bytes = static_cast<const std::byte*>(part.raw());
  const double work = kElementNanoseconds * static_cast<double>(height * width);
  parallel_for(context, down * across, work, [&](int64_t tile) {
    const int64_t top = (first_tile + tile / across) * height;
    const int64_t left = tile % across * width;
    const int64_t count = std::min(width, columns - left);
    To* to = out + places.of_tile(top, left);
    for (int64_t r = std::max(top, row); r < std::min(top + height, end); ++r) {
      To piece[kMostColumns];
      const int64_t element = (r - row) * part.stride(0) + left;
      cpu::convert_row<From>(bytes + element * static_cast<int64_t>(sizeof(From)), piece, count);
      const int64_t* place = places.in_tile(r - top);
      for (int64_t i = 0; i < count; ++i) to[place[i]] = piece[i];
    }
  });
}

template <class To>
void pack_parts(Context& context, std::span<const TensorView> parts, const WeightPlaces& places,
                To* out) {
  MEMLONG_CHECK(places.tile_columns() <= kMostColumns, "blocks wider than any that is known");
  int64_t row = 0;
  for (const TensorView& part : parts) {
    cpu::dispatch_any_float(part.dtype(), [&](auto from) {
      pack_part<decltype(from), To>(context, part, row, places, out);
    });
    row += part.dim(0);
  }
}

}  // namespace

template <>
std::shared_ptr<const PackedWeight::Impl> pack_weight_kernel<Device::cpu>(
    Context& context, std::span<const TensorView> parts, DType dtype, const PackOptions& options) {
  int64_t rows = 0;
  for (const TensorView& part : parts) rows += part.dim(0);
  const int64_t columns = parts[0].dim(1);
  const int64_t n = options.transposed ? columns : rows;
  const int64_t k = options.transposed ? rows : columns;
  auto packed = std::make_shared<BlockedWeight>(n, k, dtype, Device::cpu);
  cpu::guarded("cannot pack a weight", [&] {
    {
      const cpu::ThreadCount all(loop_threads(context));
      packed->layout = context.extension<cpu::OneDnn>().blocked_layout(n, k, dtype);
    }
    packed->blocks = cpu::bf16_blocks(packed->layout);
    const Shape size{static_cast<int64_t>(packed->layout.get_size())};
    if (options.storage != nullptr) {
      auto place = options.storage->next(packed->layout.get_size(), describe(packed->layout));
      packed->storage = Tensor(std::move(place.memory), size, DType::u8);
      if (place.filled) return;
    } else {
      packed->storage =
          padded(packed->layout) ? Tensor::zeros(size, DType::u8) : Tensor(size, DType::u8);
    }
    const WeightPlaces places(packed->layout, options.transposed);
    dispatch_float(dtype, [&](auto to) {
      auto* out = static_cast<decltype(to)*>(packed->storage.view().raw());
      pack_parts(context, parts, places, out);
    });
  });
  return packed;
}

template <>
std::shared_ptr<const PackedWeight::Impl> pack_transposed_kernel<Device::cpu>(
    Context& context, std::span<const TensorView> parts, const PackedWeight::Impl& packed) {
  return pack_weight_kernel<Device::cpu>(context, parts, packed.dtype, {.transposed = true});
}

}  // namespace memlong::ops
