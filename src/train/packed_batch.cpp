#include "train/packed_batch.h"

#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "common/error.h"
#include "ops/copy.h"
#include "ops/embedding.h"

namespace memlong::train {
namespace {

/// Hands out consecutive pieces of one buffer as [G, M, D].
class Pieces {
 public:
  Pieces(const TensorView& all, const model::ModelConfig& config) : all_(all), config_(config) {}
  TensorView take(int64_t tokens) {
    const int64_t begin = at_;
    at_ += config_.kv_heads * tokens * config_.head_dim;
    return all_.slice(0, begin, at_).reshape({config_.kv_heads, tokens, config_.head_dim});
  }

 private:
  TensorView all_;
  const model::ModelConfig& config_;
  int64_t at_ = 0;
};

int64_t tokens_of(const MemoryPart& part) {
  return part.past >= 0 ? part.end - part.begin : part.k.dim(1);
}

int64_t tokens_of(const std::vector<MemoryPart>& parts) {
  int64_t total = 0;
  for (const MemoryPart& part : parts) total += tokens_of(part);
  return total;
}

bool reads_past(const std::vector<MemoryPart>& parts) {
  for (const MemoryPart& part : parts) {
    if (part.past >= 0) return true;
  }
  return false;
}

using SetKey = std::vector<std::tuple<int64_t, int64_t, int64_t, const void*, const void*>>;

SetKey key_of(const std::vector<MemoryPart>& parts) {
  SetKey key;
  for (const MemoryPart& part : parts) {
    key.emplace_back(part.past, part.begin, part.end, part.k.view().raw(), part.v.view().raw());
  }
  return key;
}

struct GatheredSet {
  TensorView k;
  TensorView v;
};

/// First packed row of a part that is a past.
int64_t first_row(const PackedBatch& packed, const MemoryPart& part) {
  return packed.parts[packed.sequences + static_cast<size_t>(part.past)].begin + part.begin;
}

/// Adds to `copies` what brings the parts into the set.
void fill(const PackedBatch& packed, const model::ModelConfig& config, const TensorView& raw_kv,
          const std::vector<MemoryPart>& parts, const GatheredSet& set,
          std::vector<ops::CopyPair>& copies) {
  const int64_t groups = config.kv_heads;
  int64_t at = 0;
  for (const MemoryPart& part : parts) {
    const int64_t end = at + tokens_of(part);
    TensorView k = part.k;
    TensorView v = part.v;
    if (part.past >= 0) {
      const int64_t row = first_row(packed, part);
      const TensorView heads = raw_kv.slice(0, row, row + end - at)
                                   .split_last(config.head_dim)
                                   .permute({1, 0, 2});  // [2*G, n, D]
      k = heads.slice(0, 0, groups);
      v = heads.slice(0, groups, 2 * groups);
    }
    copies.push_back({k, set.k.slice(1, at, end)});
    copies.push_back({v, set.v.slice(1, at, end)});
    at = end;
  }
}

/// For each row [D] of a set's gradient, keys of all heads and then values, its row among those of
/// the pasts' gradient [2*G, past rows]; -1 for constant parts.
void add_past_rows(const PackedBatch& packed, const model::ModelConfig& config,
                   const std::vector<MemoryPart>& parts, std::vector<int32_t>& rows) {
  const int64_t past_rows = packed.all_rows - packed.rows;
  for (int64_t head = 0; head < 2 * config.kv_heads; ++head) {
    for (const MemoryPart& part : parts) {
      const bool constant = part.past < 0;
      const int64_t first = constant ? 0 : head * past_rows + first_row(packed, part) - packed.rows;
      for (int64_t i = 0; i < tokens_of(part); ++i) {
        rows.push_back(constant ? -1 : static_cast<int32_t>(first + i));
      }
    }
  }
}

void check_sequence(const Batch& batch, const Sequence& sequence) {
  MEMLONG_CHECK(sequence.targets.size() == sequence.ids.size() &&
                    sequence.weights.size() == sequence.ids.size(),
                "every row of a sequence needs a target and a weight");
  for (const SegmentPlan& segment : sequence.segments) {
    for (const MemoryPart& part : segment.parts) {
      if (part.past < 0) continue;
      MEMLONG_CHECK(part.past < static_cast<int64_t>(batch.pasts.size()), "no such past");
      const auto& ids = batch.pasts[static_cast<size_t>(part.past)].ids;
      MEMLONG_CHECK(
          0 <= part.begin && part.begin < part.end && part.end <= static_cast<int64_t>(ids.size()),
          "a memory part lies outside its past");
    }
  }
}

}  // namespace

std::span<const int32_t> PackedBatch::ids_of(size_t part) const {
  const backbone::PackedSequence& here = parts[part];
  return std::span(ids).subspan(static_cast<size_t>(here.begin),
                                static_cast<size_t>(here.end - here.begin));
}

PackedBatch pack_batch(const Batch& batch, int64_t window) {
  PackedBatch packed;
  const auto add = [&](const std::vector<int32_t>& ids, int64_t position) {
    const int64_t begin = packed.all_rows;
    packed.all_rows += static_cast<int64_t>(ids.size());
    MEMLONG_CHECK(
        !ids.empty() && position >= 0 && position + static_cast<int64_t>(ids.size()) <= window,
        "a sequence of " + std::to_string(ids.size()) + " tokens at position " +
            std::to_string(position) + " does not fit a window of " + std::to_string(window));
    packed.parts.push_back({begin, packed.all_rows, position, {}, {}});
    packed.ids.insert(packed.ids.end(), ids.begin(), ids.end());
  };
  for (const Sequence& sequence : batch.sequences) {
    check_sequence(batch, sequence);
    add(sequence.ids, sequence.position);
  }
  packed.sequences = batch.sequences.size();
  packed.rows = packed.all_rows;
  for (const Past& past : batch.pasts) add(past.ids, past.position);
  return packed;
}

void BatchMemory::gather(Context& context, const Batch& batch, const model::ModelConfig& config,
                         const TensorView& raw_kv, bool gradients, PackedBatch& packed) {
  const int64_t width = 2 * config.kv_heads * config.head_dim;
  std::map<SetKey, GatheredSet> sets;
  int64_t tokens = 0;
  int64_t gradient_tokens = 0;
  for (const Sequence& sequence : batch.sequences) {
    for (const SegmentPlan& segment : sequence.segments) {
      const int64_t count = tokens_of(segment.parts);
      if (sets.emplace(key_of(segment.parts), GatheredSet{}).second) tokens += count;
      if (reads_past(segment.parts)) gradient_tokens += count;
    }
  }
  Pieces pieces(sets_.get(context, {tokens * width}, raw_kv.dtype()), config);
  gradient_ =
      gradients ? gradients_.zeros(context, {gradient_tokens * width}, DType::f32) : TensorView();
  Pieces gradient_pieces(gradient_, config);
  std::vector<ops::CopyPair> copies;
  for (size_t i = 0; i < batch.sequences.size(); ++i) {
    backbone::PackedSequence& rows = packed.parts[i];
    for (const SegmentPlan& segment : batch.sequences[i].segments) {
      const int64_t count = tokens_of(segment.parts);
      if (count == 0) continue;
      GatheredSet& set = sets[key_of(segment.parts)];
      if (set.k.raw() == nullptr) {
        set = {pieces.take(count), pieces.take(count)};
        fill(packed, config, raw_kv, segment.parts, set, copies);
      }
      rows.memory.push_back({segment.begin, segment.end, set.k, set.v});
      if (!gradients) continue;
      const bool flows = reads_past(segment.parts);
      rows.gradients.push_back(
          flows ? ops::MemoryGradient{gradient_pieces.take(count), gradient_pieces.take(count)}
                : ops::MemoryGradient{});
    }
  }
  ops::copy(context, copies);
}

void BatchMemory::scatter(Context& context, const Batch& batch, const PackedBatch& packed,
                          const model::ModelConfig& config, const TensorView& dkv) {
  const int64_t past_rows = packed.all_rows - packed.rows;
  if (past_rows == 0) return;
  const int64_t heads = 2 * config.kv_heads;
  const TensorView sum =
      past_gradient_.zeros(context, {heads, past_rows, config.head_dim}, DType::f32);
  std::vector<int32_t> rows;
  for (const Sequence& sequence : batch.sequences) {
    for (const SegmentPlan& segment : sequence.segments) {
      if (reads_past(segment.parts)) add_past_rows(packed, config, segment.parts, rows);
    }
  }
  const auto count = static_cast<int64_t>(rows.size());
  if (count > 0) {
    ops::embedding_backward(context, rows, gradient_.reshape({count, config.head_dim}),
                            sum.reshape({heads * past_rows, config.head_dim}));
  }
  ops::copy(
      context, sum,
      dkv.slice(0, packed.rows, packed.all_rows).split_last(config.head_dim).permute({1, 0, 2}));
}

}  // namespace memlong::train
