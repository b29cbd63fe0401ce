// What a test has to do at least: floating-point operations and bytes read.
//
//   P_l   matmul parameters of a block: C*(H*D + 2*G*D) + H*D*C + 3*C*F
//   P_h   of the head: C*V
//   block: 2*P_l operations a token, and 4*H*D for each key that it attends to
//   prefill of T tokens:  L*(2*P_l*T + 4*H*D*T*(T+1)/2) + R*4*H*D*T*M + 2*P_h
//   writing memory, for each token of a window of W:
//     m*(2*P_l + 4*H*D*(W+1)/2) + 2*C*2*G*D
//   training the layers from m on, for each token of a window of T, M constant memory tokens:
//     m*(2*P_l + 4*H*D*(T+1)/2) + 2*C*2*G*D         the writer
//     + 4*C*H*D + 6*(H*D*C + 3*C*F)                 layer m: q without the gradient of its input
//     + 6*P_l*(L-m-1) + 6*P_h (tied: 4*P_h)         forward, input's and weights' gradients
//     + (8 + 12*(L-m-1))*H*D*(T+1)/2 + 8*R*H*D*M    attention; gradients of constant keys are none
//   decode of one token at position p reads all packed weights, 2*L*G*D*p cached and 2*R*G*D*M
//   memory elements
//
// L layers, R reading layers, m the memory layer, M memory tokens.
#pragma once

#include <cstdint>

#include "tools/memlong-bench/network.h"

namespace memlong::bench_tool {

double parameters(const Network& network);  ///< all of them, embedding and norms included
double prefill_flops(const Network& network, int64_t tokens, int64_t memory);
double writer_flops_per_token(const Network& network, int64_t window);
/// A step of `rows` windows, in which each token reads top_k chunks; nothing is computed twice.
double train_flops(const Network& network, int64_t rows, int64_t window);
/// Mean over the positions depth..depth+tokens-1. Of a pass for one token of each of `streams`:
/// weights are read once, keys, values and memory for each.
double decode_bytes_per_token(const Network& network, int64_t depth, int64_t tokens, int64_t memory,
                              int64_t streams = 1);

/// Attention of one layer: rows at window positions offset..offset+rows-1, each of them also reads
/// `memory` tokens.
struct AttentionWork {
  double flops = 0;  ///< 4*H*D for each key of each row
  double bytes = 0;  ///< keys and values, once
};
AttentionWork attention_work(const Network& network, int64_t rows, int64_t offset, int64_t memory);

/// Tokens that the writer runs over to ingest a document of `tokens`: windows of `capacity` of
/// which each but the first opens with `overlap` tokens of the one before.
double computed_tokens(int64_t tokens, int64_t capacity, int64_t overlap);

}  // namespace memlong::bench_tool
