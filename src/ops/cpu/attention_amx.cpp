#include "ops/cpu/attention_amx.h"

#include <algorithm>
#include <cstring>

#include "common/error.h"
#include "ops/cpu/transpose.h"
#include "ops/cpu/vec.h"

#if defined(__AMX_TILE__) && defined(__AMX_BF16__) && defined(__linux__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#define MEMLONG_AMX 1
#else
#define MEMLONG_AMX 0
#endif

namespace memlong::ops::cpu {
namespace {

/// Products go in squares of two by two tiles: 32 rows, 32 columns, 32 deep.
constexpr int64_t kSquare = 32;
constexpr int64_t kTileRows = 16;

#if MEMLONG_AMX

bool ask_kernel() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

/// All eight tiles: 16 rows of 64 bytes.
void configure_tiles() {
  struct alignas(64) Configuration {
    uint8_t palette = 1;
    uint8_t start_row = 0;
    uint8_t reserved[14] = {};
    uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  };
  static constexpr Configuration kConfiguration;
  _tile_loadconfig(&kConfiguration);
}

void release_tiles() { _tile_release(); }

struct TileOperands {
  const bf16* a;      ///< [32, depth]
  int64_t a_bytes;    ///< from row to row
  const uint32_t* b;  ///< [depth / 2, 32] pairs
  int64_t b_bytes;
  float* c;  ///< [32, 32]
  int64_t c_bytes;
};

void square(const TileOperands& t, int64_t depth, bool accumulate) {
  float* low = t.c + kTileRows * t.c_bytes / static_cast<int64_t>(sizeof(float));
  if (accumulate) {
    _tile_loadd(0, t.c, t.c_bytes);
    _tile_loadd(1, t.c + kTileRows, t.c_bytes);
    _tile_loadd(2, low, t.c_bytes);
    _tile_loadd(3, low + kTileRows, t.c_bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const auto* a = reinterpret_cast<const char*>(t.a);
  const auto* b = reinterpret_cast<const char*>(t.b);
  for (int64_t k = 0; k < depth; k += kSquare) {
    _tile_loadd(4, a + 2 * k, t.a_bytes);
    _tile_loadd(5, a + 2 * k + kTileRows * t.a_bytes, t.a_bytes);
    _tile_loadd(6, b + k / 2 * t.b_bytes, t.b_bytes);
    _tile_loadd(7, b + k / 2 * t.b_bytes + 64, t.b_bytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, t.c, t.c_bytes);
  _tile_stored(1, t.c + kTileRows, t.c_bytes);
  _tile_stored(2, low, t.c_bytes);
  _tile_stored(3, low + kTileRows, t.c_bytes);
}

#else

bool ask_kernel() { return false; }
void configure_tiles() {}
void release_tiles() {}
struct TileOperands {
  const bf16* a;
  int64_t a_bytes;
  const uint32_t* b;
  int64_t b_bytes;
  float* c;
  int64_t c_bytes;
};
void square(const TileOperands& /*t*/, int64_t /*depth*/, bool /*accumulate*/) {
  fail(ErrorKind::internal, "AMX product in a build without AMX");
}

#endif

/// The tile instructions are opaque to the compiler: what was written must be in memory.
void fence() { asm volatile("" ::: "memory"); }

/// c[m, n] (+)= a[m, k] b[k, n]; all extents multiples of 32, strides in elements.
void tile_gemm(const bf16* a, int64_t lda, const uint32_t* b, float* c, int64_t ldc, int64_t rows,
               int64_t depth, bool accumulate) {
  fence();
  for (int64_t n = 0; n < ldc; n += kSquare) {
    for (int64_t m = 0; m < rows; m += kSquare) {
      square({a + m * lda, 2 * lda, b + n, 4 * ldc, c + m * ldc + n, 4 * ldc}, depth, accumulate);
    }
  }
  fence();
}

}  // namespace

bool amx_available() {
  static const bool available = ask_kernel();
  return available;
}

int64_t AmxProducts::row_stride(int64_t rows) { return round_up(rows, kSquare); }

int64_t AmxProducts::floats(int64_t row_stride, int64_t dim) {
  const int64_t d = round_up(dim, kSquare);
  return d / 2 * row_stride + kKeyBlock / 2 * row_stride + kKeyBlock * d;
}

AmxProducts::AmxProducts(float* memory, int64_t row_stride, int64_t dim)
    : row_stride_(row_stride),
      dim_(dim),
      dim_stride_(round_up(dim, kSquare)),
      queries_(reinterpret_cast<uint32_t*>(memory)),
      weights_(queries_ + dim_stride_ / 2 * row_stride),
      keys_(reinterpret_cast<bf16*>(weights_ + kKeyBlock / 2 * row_stride)),
      values_(keys_ + kKeyBlock * dim_stride_) {
  std::memset(queries_, 0, static_cast<size_t>(dim_stride_ / 2 * row_stride) * sizeof(uint32_t));
  configure_tiles();
}

AmxProducts::~AmxProducts() { release_tiles(); }

void AmxProducts::set_query(int64_t row, const bf16* query) {
  for (int64_t d = 0; d < dim_; d += 2) {
    std::memcpy(&queries_[d / 2 * row_stride_ + row], query + d, sizeof(uint32_t));
  }
}

void AmxProducts::score(const KeyRows<bf16>& k, int64_t begin, int64_t count, float* scores) {
  const int64_t padded = round_up(count, kSquare);
  KeyRows<bf16> keys{k.row(begin), k.stride};
  if (padded != count || dim_ != dim_stride_) {
    std::memset(static_cast<void*>(keys_), 0, static_cast<size_t>(padded * dim_stride_) * 2);
    for (int64_t i = 0; i < count; ++i) {
      std::memcpy(static_cast<void*>(keys_ + i * dim_stride_), k.row(begin + i),
                  static_cast<size_t>(dim_) * 2);
    }
    keys = {keys_, dim_stride_};
  }
  tile_gemm(keys.data, keys.stride, queries_, scores, row_stride_, padded, dim_stride_, false);
}

/// values_[d, key] = v[key, d]; missing keys and dimensions are zero.
void AmxProducts::turn_values(const KeyRows<bf16>& v, int64_t begin, int64_t count) {
  const int64_t padded = round_up(count, kSquare);
  for (int64_t key = 0; key < padded; key += kSquare) {
    for (int64_t d = 0; d < dim_stride_; d += kLanes) {
      const int64_t left = std::clamp<int64_t>(dim_ - d, 0, kLanes);
      const auto halves = [&](int64_t i) {
        return i < count && left > 0 ? load_halves(v.row(begin + i) + d, left) : VecWord{};
      };
      VecWord pairs[16];
      for (int64_t i = 0; i < 16; ++i) {
        pairs[i] = halves(key + 2 * i) | (halves(key + 2 * i + 1) << 16);
      }
      transpose(pairs);
      for (int64_t i = 0; i < 16; ++i) {
        std::memcpy(static_cast<void*>(values_ + (d + i) * kKeyBlock + key), &pairs[i], 64);
      }
    }
  }
}

/// Weights are neither negative nor NaN unless the inputs are, so plain rounding will do.
void AmxProducts::pair_weights(const float* weights, int64_t count) {
  const auto rounded = [&](int64_t key, int64_t row) {
    const auto word = bits_as<VecWord>(load(weights + key * row_stride_ + row));
    return word + 0x7FFFU + ((word >> 16) & 1U);
  };
  const int64_t pairs = round_up(count, kSquare) / 2;
  for (int64_t pair = 0; pair < pairs; ++pair) {
    for (int64_t row = 0; row < row_stride_; row += kLanes) {
      VecWord word{};
      if (2 * pair < count) word = rounded(2 * pair, row) >> 16;
      if (2 * pair + 1 < count) word |= rounded(2 * pair + 1, row) & 0xFFFF0000U;
      std::memcpy(weights_ + pair * row_stride_ + row, &word, sizeof(word));
    }
  }
}

void AmxProducts::add(const KeyRows<bf16>& v, int64_t begin, int64_t count, const float* weights,
                      float* sums) {
  turn_values(v, begin, count);
  pair_weights(weights, count);
  tile_gemm(values_, kKeyBlock, weights_, sums, row_stride_, dim_stride_, round_up(count, kSquare),
            true);
}

}  // namespace memlong::ops::cpu
