#include "retriever/score_error.h"

#include <cmath>
#include <limits>

namespace memlong::retriever {
namespace {

constexpr double kNone = std::numeric_limits<double>::infinity();
constexpr double kLargestProduct = 1e37;  // of norms: partial sums are no larger
constexpr double kLargestF16 = 65504;

}  // namespace

// n products and n - 1 sums, each off by 2^-24 at most: n * 2^-24 of |q| |v|, and second order
// terms, for which twice as much is enough as long as n is below 2^22.
double score_error_f32(int64_t dim, double query_norm, double row_norm) {
  const double norms = query_norm * row_norm;
  if (!(norms < kLargestProduct) || dim > (1 << 22)) return kNone;
  return static_cast<double>(dim + 8) * 0x1p-23 * norms + 0x1p-100;
}

// Rounding changes an element by 2^-11 of it, or by 2^-25 where it is below f16's normal numbers.
double score_error_f16(int64_t dim, double query_norm, double row_norm) {
  if (!(query_norm < kLargestF16) || !(row_norm < kLargestF16)) return kNone;
  const double relative = 0x1p-9 * query_norm * row_norm;
  const double tiny = std::sqrt(static_cast<double>(dim)) * 0x1p-24 * (query_norm + row_norm) +
                      static_cast<double>(dim) * 0x1p-48;
  return relative + tiny + score_error_f32(dim, query_norm * 1.001, row_norm * 1.001);
}

}  // namespace memlong::retriever
