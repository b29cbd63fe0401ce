#include "ops/cpu/bf16_pack.h"

#include "ops/cpu/transpose.h"

namespace memlong::ops::cpu {

KeyRows<bf16> left_rows(const KeyRows<bf16>& rows, int64_t begin, int64_t count, int64_t dim,
                        bf16* buffer) {
  const int64_t padded = bf16_extent(count);
  const int64_t stride = bf16_extent(dim);
  if (padded == count && stride == dim) return {rows.row(begin), rows.stride};
  for (int64_t i = 0; i < padded; ++i) {
    for (int64_t d = 0; d < stride; d += 2 * kLanes) {
      const VecWord words = i < count ? load_words(rows.row(begin + i) + d, dim - d) : VecWord{};
      std::memcpy(static_cast<void*>(buffer + i * stride + d), &words, sizeof(words));
    }
  }
  return {buffer, stride};
}

void turn_rows(const KeyRows<bf16>& rows, int64_t begin, int64_t count, int64_t dim, bf16* to,
               int64_t stride) {
  for (int64_t i = 0; i < bf16_extent(count); i += 2 * kLanes) {
    for (int64_t d = 0; d < bf16_extent(dim); d += kLanes) {
      const int64_t left = dim - d;
      const auto halves = [&](int64_t at) {
        return at < count && left > 0 ? load_halves(rows.row(begin + at) + d, left) : VecWord{};
      };
      VecWord pairs[kLanes];
      for (int64_t pair = 0; pair < kLanes; ++pair) {
        pairs[pair] = halves(i + 2 * pair) | (halves(i + 2 * pair + 1) << 16);
      }
      transpose(pairs);
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        std::memcpy(static_cast<void*>(to + (d + lane) * stride + i), &pairs[lane],
                    sizeof(VecWord));
      }
    }
  }
}

void pair_rows(std::span<const bf16* const> rows, int64_t dim, uint32_t* to, int64_t stride) {
  const auto count = static_cast<int64_t>(rows.size());
  for (int64_t i = 0; i < bf16_extent(count); i += 2) {
    for (int64_t d = 0; d < bf16_extent(dim); d += kLanes) {
      const auto halves = [&](int64_t at) {
        return at < count && d < dim ? load_halves(rows[static_cast<size_t>(at)] + d, dim - d)
                                     : VecWord{};
      };
      const VecWord word = halves(i) | (halves(i + 1) << 16);
      std::memcpy(to + i / 2 * stride + d, &word, sizeof(word));
    }
  }
}

void turn_pairs(std::span<const bf16* const> rows, int64_t dim, uint32_t* to, int64_t stride) {
  const auto count = static_cast<int64_t>(rows.size());
  for (int64_t i = 0; i < bf16_extent(count); i += kLanes) {
    for (int64_t d = 0; d < bf16_extent(dim); d += 2 * kLanes) {
      VecWord words[kLanes];
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        const int64_t at = i + lane;
        words[lane] =
            at < count ? load_words(rows[static_cast<size_t>(at)] + d, dim - d) : VecWord{};
      }
      transpose(words);
      for (int64_t pair = 0; pair < kLanes; ++pair) {
        std::memcpy(to + (d / 2 + pair) * stride + i, &words[pair], sizeof(words[pair]));
      }
    }
  }
}

}  // namespace memlong::ops::cpu
