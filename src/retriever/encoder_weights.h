// The tensors of a text encoder (BERT, XLM-RoBERTa), ready to compute with. Internal to the
// retriever.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "common/hash.h"
#include "model/encoder_config.h"
#include "model/weights.h"
#include "ops/matmul.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::retriever {

struct EncoderNorm {
  Tensor weight;  ///< [C] f32
  Tensor bias;    ///< [C] f32
};

struct EncoderLayer {
  ops::PackedWeight qkv;   ///< [3C, C]: queries, keys, values
  ops::PackedWeight out;   ///< [C, C]
  ops::PackedWeight up;    ///< [F, C]
  ops::PackedWeight down;  ///< [C, F]
  Tensor qkv_bias;         ///< [3C] f32, as the other biases
  Tensor out_bias;         ///< [C]
  Tensor up_bias;          ///< [F]
  Tensor down_bias;        ///< [C]
  EncoderNorm attention_norm;
  EncoderNorm output_norm;
};

/// Immutable and thread-safe.
struct EncoderWeights {
  model::EncoderConfig config;
  DType dtype = DType::f32;  ///< of products: f32 or bf16
  std::shared_ptr<const model::WeightStore> store;
  TensorView words;  ///< [V, C], in the store
  Tensor places;     ///< [positions, C] f32: the tables of positions and of the first token type
  EncoderNorm first_norm;
  std::vector<EncoderLayer> layers;
};

/// Reads safetensors or torch files with Hugging Face's names, with or without "bert." or
/// "roberta." before them; other tensors are not looked at. Errors: io; format, naming the tensor.
EncoderWeights load_encoder_weights(Context& context, const std::filesystem::path& folder,
                                    const model::EncoderConfig& config, DType dtype);

/// SHA-256 of the tensors that are read and of the numbers that the computation depends on.
Digest encoder_weights_hash(const EncoderWeights& weights);

}  // namespace memlong::retriever
