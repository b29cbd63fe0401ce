// What the `sif` embedder learns from: questions of dialogs and the chunks that tell the answer.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/corpus.h"

namespace memlong::train {

/// A question of a dialog, asked when chunks [0, known) of it lie in memory and the rest still
/// stands in the window. Chunks [first, last] hold the turn that told what is asked for.
struct SifQuestion {
  std::span<const int32_t> ids;  ///< the user's whole message, its marks included, as in use
  int64_t known = 0;
  int64_t first = 0;
  int64_t last = 0;
};

struct SifDialog {
  std::vector<std::span<const int32_t>> chunks;
  std::vector<SifQuestion> questions;
};

/// Cuts a dialog into chunks of `chunk` tokens. The window begins at the chunk boundary `recent`
/// tokens before the answer ends; questions whose fact does not lie wholly before it are left out,
/// as are those for what was never said. The spans are the document's.
SifDialog sif_dialog(const Document& document, int64_t chunk, int64_t recent);

}  // namespace memlong::train
