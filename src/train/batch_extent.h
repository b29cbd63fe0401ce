// How large the batches of a run get, for the memory plan.
#pragma once

#include <cstdint>

#include "model/memory_settings.h"
#include "train/corpus.h"
#include "train/data_options.h"

namespace memlong::train {

/// The largest batch that a source makes, and what it keeps between batches. In tokens.
struct BatchExtent {
  int64_t rows = 0;    ///< of sequences
  int64_t pasts = 0;   ///< rows of pasts
  int64_t memory = 0;  ///< of all sets that segments read
  int64_t kept = 0;    ///< of the chunks that streams keep
};
/// `walked`: windows that a row of a stream is taken through at most; 0: to the end of its
/// document.
BatchExtent batch_extent(const DataOptions& data, const model::MemorySettings& settings,
                         const Corpus& corpus, int64_t walked = 0);

/// Of training, and of an evaluation whose source keeps what it has while training goes on.
BatchExtent beside(const BatchExtent& training, const BatchExtent& evaluation);

}  // namespace memlong::train
