// Learns the token weights of the `sif` embedder from questions whose facts are known.
//
// Frequencies are a guess at what matters (a / (a + p), Arora et al., ICLR 2017). Here the weights
// are the parameters: the chunk that told the answer shall be nearer to the question than other
// chunks, of the same dialog and of others (InfoNCE, arXiv 1807.03748, several positives):
//
//   loss = mean over questions of  log sum_j exp(s c_qj) - log sum_{j tells it} exp(s c_qj)
//
// with c the cosine of the two vectors. The removed component stays, and so does the embedding
// table, unless `vectors` lets the retriever have rows of its own: then these are learnt as well.
// Tokens that no dialog has keep what they have. The result has the form of an estimate:
// p = a (1 / w - 1), the largest weight being 1.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "retriever/embedder.h"
#include "tensor/context.h"
#include "tensor/tensor.h"
#include "train/sif_questions.h"

namespace memlong::train {

struct SifLearningOptions {
  int64_t passes = 2;        ///< over all dialogs
  int64_t dialogs = 4;       ///< of a step: each other's distractors
  float lr = 0.02F;          ///< of Adam, on the logarithms of the weights; falls to 0 in a line
  float scale = 16.0F;       ///< s
  bool vectors = false;      ///< learn each token's vector too, not only its weight
  float vector_lr = 0.002F;  ///< of Adam, on unit rows
  uint64_t seed = 1;         ///< of the order of the dialogs
};

using SifProgress = std::function<void(int64_t step, int64_t steps, double loss)>;

/// table [V, C]: the model's token embeddings. Deterministic. Errors: usage, when no dialog has a
/// question.
retriever::SifParameters learn_sif(Context& context, const TensorView& table,
                                   const std::vector<SifDialog>& dialogs,
                                   const retriever::SifParameters& start,
                                   const SifLearningOptions& options,
                                   const SifProgress& progress = {});

/// Share of the questions of which one of the `top_k` nearest known chunks tells the answer; -1
/// when there is no question.
double sif_found(Context& context, const TensorView& table, const std::vector<SifDialog>& dialogs,
                 const retriever::SifParameters& parameters, int64_t top_k);

}  // namespace memlong::train
