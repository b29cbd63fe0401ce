#include "train/evaluation.h"

#include <algorithm>
#include <utility>

namespace memlong::train {
namespace {

bool reads_memory(const Batch& batch) {
  return std::any_of(batch.sequences.begin(), batch.sequences.end(),
                     [](const Sequence& sequence) { return !sequence.segments.empty(); });
}

}  // namespace

Batch without_memory(Batch batch) {
  batch.pasts.clear();
  for (Sequence& sequence : batch.sequences) sequence.segments.clear();
  return batch;
}

EvaluationReport evaluate_set(Context& context, Network& network, EvaluationSet& set,
                              const std::string& first, int64_t batches, int64_t at) {
  EvaluationReport report;
  report.name = set.name;
  set.source->restore(first, network);
  for (int64_t i = 0; i < batches; ++i) {
    Batch batch = set.source->next(at);
    const LossSums sums = network.evaluate(context, batch);
    set.source->passed(batch, network);
    report.with_memory += sums;
    report.without_memory +=
        reads_memory(batch) ? network.evaluate(context, without_memory(std::move(batch))) : sums;
  }
  return report;
}

}  // namespace memlong::train
