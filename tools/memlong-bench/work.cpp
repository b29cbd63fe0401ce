#include "tools/memlong-bench/work.h"

namespace memlong::bench_tool {
namespace {

double number(int64_t value) { return static_cast<double>(value); }

double block_parameters(const model::ModelConfig& c) {
  const int64_t q = c.heads * c.head_dim;
  const int64_t kv = c.kv_heads * c.head_dim;
  return number(c.hidden * (q + 2 * kv) + q * c.hidden + 3 * c.hidden * c.ffn);
}

double head_parameters(const model::ModelConfig& c) { return number(c.hidden * c.vocab); }

double flops_per_key(const model::ModelConfig& c) { return 4.0 * number(c.heads * c.head_dim); }

/// A key and a value of one layer.
double key_bytes(const Network& network) {
  const model::ModelConfig& c = network.config;
  return 2.0 * number(c.kv_heads * c.head_dim) *
         static_cast<double>(dtype_size(network.weights->dtype));
}

double block_bytes(const backbone::BlockWeights& block) {
  size_t bytes = 0;
  for (const auto* weight : {&block.q, &block.kv, &block.o, &block.gate_up, &block.down}) {
    bytes += weight->bytes();
  }
  return static_cast<double>(bytes);
}

}  // namespace

double parameters(const Network& network) {
  const model::ModelConfig& c = network.config;
  const double norms = number(c.hidden * (2 * c.layers + 1));
  const double biases = c.qkv_bias ? number(c.layers * (c.heads + 2 * c.kv_heads) * c.head_dim) : 0;
  return number(c.layers) * block_parameters(c) + norms + biases +
         head_parameters(c) * (c.tied_head ? 1 : 2);
}

double prefill_flops(const Network& network, int64_t tokens, int64_t memory) {
  const model::ModelConfig& c = network.config;
  const double t = number(tokens);
  const double local = 2.0 * block_parameters(c) * t + flops_per_key(c) * t * (t + 1) / 2;
  const double read = number(network.side_net->reading_layer_count()) * flops_per_key(c) * t;
  return number(c.layers) * local + read * number(memory) + 2.0 * head_parameters(c);
}

double writer_flops_per_token(const Network& network, int64_t window) {
  const model::ModelConfig& c = network.config;
  const double block = 2.0 * block_parameters(c) + flops_per_key(c) * number(window + 1) / 2;
  return number(network.settings.memory_layer) * block +
         4.0 * number(c.hidden * c.kv_heads * c.head_dim);
}

double train_flops(const Network& network, int64_t rows, int64_t window) {
  const model::ModelConfig& c = network.config;
  const double q = number(c.hidden * c.heads * c.head_dim);
  const double later = number(c.layers - network.settings.memory_layer - 1);
  const double products = 4.0 * q + 6.0 * (q + 3.0 * number(c.hidden * c.ffn)) +
                          6.0 * later * block_parameters(c) +
                          (c.tied_head ? 4.0 : 6.0) * head_parameters(c);
  const double keys = number(window + 1) / 2;
  const double memory = number(network.settings.top_k * network.settings.chunk) *
                        number(network.side_net->reading_layer_count());
  const double attention = flops_per_key(c) * ((2.0 + 3.0 * later) * keys + 2.0 * memory);
  return number(rows * window) * (writer_flops_per_token(network, window) + products + attention);
}

double decode_bytes_per_token(const Network& network, int64_t depth, int64_t tokens, int64_t memory,
                              int64_t streams) {
  const model::ModelConfig& c = network.config;
  double bytes = static_cast<double>(network.weights->head.bytes());
  for (const auto& block : network.weights->blocks) bytes += block_bytes(block);
  const double cached = number(c.layers) * (number(depth) + number(tokens + 1) / 2);
  const double read = number(network.side_net->reading_layer_count() * memory);
  return bytes + number(streams) * key_bytes(network) * (cached + read);
}

AttentionWork attention_work(const Network& network, int64_t rows, int64_t offset, int64_t memory) {
  const double t = number(rows);
  const double keys = t * number(offset + memory) + t * (t + 1) / 2;
  return {.flops = flops_per_key(network.config) * keys,
          .bytes = key_bytes(network) * number(offset + rows + memory)};
}

double computed_tokens(int64_t tokens, int64_t capacity, int64_t overlap) {
  if (tokens <= capacity) return number(tokens);
  const int64_t stride = capacity - overlap;
  const int64_t later_windows = (tokens - capacity + stride - 1) / stride;
  return number(tokens + later_windows * overlap);
}

}  // namespace memlong::bench_tool
