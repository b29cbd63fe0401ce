#include "ops/cuda/attention_tile.h"
#include "ops/cuda/launch.h"

namespace memlong::ops::device {

std::vector<RowRange> cut_rows(const AttentionArgs& args, int64_t rows) {
  std::vector<RowRange> ranges;
  const int64_t heads = args.q.dim(1) / args.k.dim(0);
  const auto cut = [&](int64_t begin, int64_t end, const MemorySegment* memory) {
    for (int64_t first = begin * heads; first < end * heads; first += rows) {
      ranges.push_back({first, std::min(first + rows, end * heads), memory});
    }
  };
  int64_t query = 0;
  for (const MemorySegment& segment : args.memory) {
    cut(query, segment.begin, nullptr);
    cut(segment.begin, segment.end, segment.k.empty() ? nullptr : &segment);
    query = segment.end;
  }
  cut(query, args.q.dim(0), nullptr);
  return ranges;
}

int common_width(int64_t dim, std::initializer_list<const TensorView*> views) {
  for (const int64_t width : {8, 4}) {
    bool fits = dim % width == 0;
    for (const TensorView* x : views) {
      const auto size = static_cast<int64_t>(dtype_size(x->dtype()));
      const bool aligned = rows_aligned(*x, std::min<int64_t>(16, width * size));
      fits = fits && (x->raw() == nullptr || aligned);
    }
    if (fits) return static_cast<int>(width);
  }
  return 1;
}

}  // namespace memlong::ops::device
