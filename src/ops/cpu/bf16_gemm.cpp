#include "ops/cpu/bf16_gemm.h"

#include <cstring>

#include "common/error.h"
#include "ops/cpu/vec.h"

#if defined(__AVX512BF16__) && defined(__AVX512BW__)
#include <immintrin.h>
#define MEMLONG_BF16 1
#else
#define MEMLONG_BF16 0
#endif

#if MEMLONG_BF16 && defined(__AMX_TILE__) && defined(__AMX_BF16__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#define MEMLONG_AMX 1
#else
#define MEMLONG_AMX 0
#endif

namespace memlong::ops::cpu {
namespace {

#if MEMLONG_AMX

constexpr int64_t kTileRows = 16;

bool ask_kernel() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

bool amx_available() {
  static const bool available = ask_kernel();
  return available;
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

void tile_square(const Bf16Gemm& t, int64_t depth, bool accumulate) {
  const int64_t a_bytes = 2 * t.lda;
  const int64_t b_bytes = 4 * t.ldb;
  const int64_t c_bytes = 4 * t.ldc;
  float* low = t.c + kTileRows * t.ldc;
  if (accumulate) {
    _tile_loadd(0, t.c, c_bytes);
    _tile_loadd(1, t.c + kTileRows, c_bytes);
    _tile_loadd(2, low, c_bytes);
    _tile_loadd(3, low + kTileRows, c_bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const auto* a = reinterpret_cast<const char*>(t.a);
  const auto* b = reinterpret_cast<const char*>(t.b);
  for (int64_t k = 0; k < depth; k += kBf16Square) {
    _tile_loadd(4, a + 2 * k, a_bytes);
    _tile_loadd(5, a + 2 * k + kTileRows * a_bytes, a_bytes);
    _tile_loadd(6, b + k / 2 * b_bytes, b_bytes);
    _tile_loadd(7, b + k / 2 * b_bytes + 64, b_bytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, t.c, c_bytes);
  _tile_stored(1, t.c + kTileRows, c_bytes);
  _tile_stored(2, low, c_bytes);
  _tile_stored(3, low + kTileRows, c_bytes);
}

#else

bool amx_available() { return false; }
void configure_tiles() {}
void release_tiles() {}
void tile_square(const Bf16Gemm& /*t*/, int64_t /*depth*/, bool /*accumulate*/) {
  fail(ErrorKind::internal, "AMX product in a build without AMX");
}

#endif

#if MEMLONG_BF16

/// R rows by two vectors, kept in registers over the whole depth.
template <int R>
void dot_rows(const bf16* a, int64_t lda, const uint32_t* b, int64_t ldb, float* c, int64_t ldc,
              int64_t depth, bool accumulate) {
  __m512 sum[R][2];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    sum[r][0] = accumulate ? _mm512_loadu_ps(c + r * ldc) : _mm512_setzero_ps();
    sum[r][1] = accumulate ? _mm512_loadu_ps(c + r * ldc + 16) : _mm512_setzero_ps();
  }
  for (int64_t k = 0; k < depth / 2; ++k) {
    const auto right0 = bits_as<__m512bh>(_mm512_loadu_si512(b + k * ldb));
    const auto right1 = bits_as<__m512bh>(_mm512_loadu_si512(b + k * ldb + 16));
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      int pair = 0;
      std::memcpy(&pair, a + r * lda + 2 * k, sizeof(pair));
      const auto left = bits_as<__m512bh>(_mm512_set1_epi32(pair));
      sum[r][0] = _mm512_dpbf16_ps(sum[r][0], left, right0);
      sum[r][1] = _mm512_dpbf16_ps(sum[r][1], left, right1);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    _mm512_storeu_ps(c + r * ldc, sum[r][0]);
    _mm512_storeu_ps(c + r * ldc + 16, sum[r][1]);
  }
}

void dot_square(const Bf16Gemm& t, int64_t depth, bool accumulate) {
  constexpr int kRows = 8;
  for (int64_t m = 0; m < kBf16Square; m += kRows) {
    dot_rows<kRows>(t.a + m * t.lda, t.lda, t.b, t.ldb, t.c + m * t.ldc, t.ldc, depth, accumulate);
  }
}

#else

void dot_square(const Bf16Gemm& /*t*/, int64_t /*depth*/, bool /*accumulate*/) {
  fail(ErrorKind::internal, "bf16 product in a build without AVX-512 BF16");
}

#endif

/// The tile instructions are opaque to the compiler: what was written must be in memory.
void fence() { asm volatile("" ::: "memory"); }

}  // namespace

bool bf16_gemm_available() { return MEMLONG_BF16 != 0 || amx_available(); }

Bf16GemmScope::Bf16GemmScope() {
  if (amx_available()) configure_tiles();
}

Bf16GemmScope::~Bf16GemmScope() {
  if (amx_available()) release_tiles();
}

void bf16_gemm(const Bf16Gemm& t, int64_t rows, int64_t columns, int64_t depth, bool accumulate) {
  const bool tiles = amx_available();
  fence();
  for (int64_t n = 0; n < columns; n += kBf16Square) {
    for (int64_t m = 0; m < rows; m += kBf16Square) {
      const Bf16Gemm square{t.a + m * t.lda, t.lda, t.b + n, t.ldb, t.c + m * t.ldc + n, t.ldc};
      if (tiles) {
        tile_square(square, depth, accumulate);
      } else {
        dot_square(square, depth, accumulate);
      }
    }
  }
  fence();
}

}  // namespace memlong::ops::cpu
