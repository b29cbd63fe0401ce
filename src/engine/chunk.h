// A chunk of memory on its way from the network to a bank.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace memlong::engine {

struct EncodedChunk {
  int64_t begin = 0;          ///< position of its first token in the document
  std::vector<int32_t> ids;   ///< n <= tau
  std::vector<float> vector;  ///< [E]
  Tensor k;                   ///< [G, n, D], before rope
  Tensor v;                   ///< [G, n, D]
};

/// Rounds a vector as a bank stores it (f16), so that it is the same before and after it was
/// stored.
void round_as_stored(std::vector<float>& vector);

}  // namespace memlong::engine
