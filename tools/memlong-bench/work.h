// What a test has to do at least: floating-point operations and bytes read.
//
//   P_l   matmul parameters of a block: C*(H*D + 2*G*D) + H*D*C + 3*C*F
//   P_h   of the head: C*V
//   block: 2*P_l operations a token, and 4*H*D for each key that it attends to
//   prefill of T tokens:  L*(2*P_l*T + 4*H*D*T*(T+1)/2) + R*4*H*D*T*M + 2*P_h
//   writing memory, for each token of a window of W:
//     m*(2*P_l + 4*H*D*(W+1)/2) + 2*C*2*G*D
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
/// Mean over the positions 0..tokens-1.
double decode_bytes_per_token(const Network& network, int64_t tokens, int64_t memory);

}  // namespace memlong::bench_tool
