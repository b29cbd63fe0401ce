// Keys and values of a chunk as bytes: K [G, n, D], then V [G, n, D], row major, in the bank's
// dtype.
#pragma once

#include <string_view>

#include "membank/types.h"
#include "tensor/tensor.h"

namespace memlong::membank {

/// 2 G n D elements.
size_t kv_bytes(const Fingerprint& fingerprint, int64_t tokens);

/// Error{internal} unless k and v are [G, n, D] of f32, bf16 or f16 on the CPU.
void check_kv_views(const Fingerprint& fingerprint, int64_t tokens, const TensorView& k,
                    const TensorView& v);

/// Writes K and V: all but the last tail_size bytes to `head`, those to `tail`.
void encode_kv(const TensorView& k, const TensorView& v, DType stored, char* head, size_t head_size,
               char* tail, size_t tail_size);

/// Reads them back into k and v, converting.
void decode_kv(std::string_view head, std::string_view tail, DType stored, const TensorView& k,
               const TensorView& v);

}  // namespace memlong::membank
