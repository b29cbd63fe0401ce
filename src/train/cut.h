// A stretch of a document as a sequence with targets, weights and answers.
#pragma once

#include <cstdint>

#include "train/batch.h"
#include "train/corpus.h"
#include "train/data_options.h"

namespace memlong::train {

struct Cut {
  int64_t begin = 0;  ///< tokens [begin, end) are the rows
  int64_t end = 0;
  int64_t limit = -1;     ///< the document ends here; -1: where it does
  int64_t fresh = 0;      ///< rows of tokens before it have no target: they were trained before
  int64_t known = 0;      ///< what was told before this token cannot be known: answers that need it
                          ///< are not counted, and their rows weigh nothing
  bool answers = true;    ///< false: none are counted
  bool queried = false;   ///< messages are read with what they find: their rows have no target
  int32_t lead_bos = -1;  ///< >= 0: this id opens the sequence (and has no target)
};

/// The sequence, at position 0, without segments. Row t's target is the token after it, also where
/// that stands behind `end`. Where `queried`, a target that was part of the query behind its row's
/// memory is none: nothing learns to predict what the query gave away. An answer is counted when
/// all its rows have their targets here.
Sequence cut_sequence(const Document& document, const Cut& cut, const TokenWeights& weights);

}  // namespace memlong::train
