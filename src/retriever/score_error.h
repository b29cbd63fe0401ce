// How far a computed inner product may lie from the real one. Internal to the retriever.
#pragma once

#include <cstdint>

namespace memlong::retriever {

/// Of vectors of `dim` floats, multiplied and added in f32 in any order. Infinity where a sum may
/// overflow or a norm is not a number.
double score_error_f32(int64_t dim, double query_norm, double row_norm);

/// The same, where both vectors were rounded to f16 before.
double score_error_f16(int64_t dim, double query_norm, double row_norm);

}  // namespace memlong::retriever
