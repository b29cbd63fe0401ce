#include "tools/memlong-bank/query_vector.h"

#include "common/error.h"
#include "engine/encoder.h"
#include "model/weights.h"
#include "retriever/embedder.h"
#include "retriever/sentence_encoder.h"
#include "tools/common/bank_encoder.h"
#include "tools/common/open_model.h"

namespace memlong::bank_tool {
namespace {

using membank::Fingerprint;

/// `sif` needs no network: the token embeddings are enough.
std::vector<float> sif_vector(const Fingerprint& print, const membank::Snapshot& snapshot,
                              const tokenizer::Ids& ids, const BankArguments& arguments) {
  const std::string blob = snapshot.blob("sif");
  if (blob.empty()) fail(ErrorKind::corrupt, "the bank has lost its 'sif' parameters");
  const auto parameters = retriever::SifParameters::deserialize(blob);
  const auto weights = model::WeightStore::open(model_folder(snapshot, arguments));
  const TensorView table = weights.get("model.embed_tokens.weight");
  if (table.rank() != 2 || table.dim(1) != print.embedder_dim) {
    fail(ErrorKind::mismatch, "the model's embedding is " + table.shape().to_string() +
                                  ", the bank's vectors have " +
                                  counted(print.embedder_dim, "dimension"));
  }
  Context context;
  const auto embedder = retriever::make_sif_embedder(context, table, parameters);
  std::vector<float> vector(static_cast<size_t>(print.embedder_dim));
  embedder->embed(ids, {}, vector);
  return vector;
}

/// `pooled` is made by the writer: the query is read as a document would be.
std::vector<std::vector<float>> pooled_vectors(const Fingerprint& print,
                                               const membank::Snapshot& snapshot,
                                               const tokenizer::Ids& ids,
                                               const BankArguments& arguments) {
  tools::CommonOptions common = arguments.common;
  common.model = model_folder(snapshot, arguments);
  common.memory_layer = print.memory_layer;
  common.chunk = print.chunk_tokens;
  common.embedder = print.embedder;
  Context context;
  const auto model = tools::open_model(context, common, true);
  if (model->writer_hash != print.writer) {
    fail(ErrorKind::mismatch, "the bank was written by another model than " +
                                  common.model.string() + " (writer of the bank: " + print.writer +
                                  ", of the model: " + model->writer_hash +
                                  "); give its model with --model");
  }
  std::vector<std::vector<float>> vectors;
  engine::Encoder encoder(
      context, model, engine::make_embedder(context, *model), print.kv_dtype,
      [&vectors](engine::EncodedChunk&& chunk) { vectors.push_back(std::move(chunk.vector)); });
  encoder.begin();
  encoder.push(ids);
  encoder.finish();
  return vectors;
}

/// A sentence encoder reads the query as it is.
std::vector<float> encoder_vector(const membank::Bank& bank, const BankArguments& arguments) {
  const auto encoder =
      retriever::load_sentence_encoder({.folder = tools::encoder_folder(bank, arguments.common),
                                        .dtype = tools::compute_dtype(arguments.common),
                                        .threads = arguments.common.threads});
  const std::string name = retriever::encoder_name(*encoder);
  if (name != bank.fingerprint().embedder) {
    fail(ErrorKind::mismatch, "bank " + bank.folder().string() + " has embedder " +
                                  bank.fingerprint().embedder + ", " + encoder->folder().string() +
                                  " is " + name + "; give the bank's with --encoder");
  }
  std::vector<float> vector(static_cast<size_t>(encoder->dim()));
  encoder->embed(arguments.subject, vector);
  return vector;
}

}  // namespace

std::vector<std::vector<float>> query_vectors(const membank::Bank& bank,
                                              const membank::Snapshot& snapshot,
                                              const tokenizer::Tokenizer& tokenizer,
                                              const BankArguments& arguments) {
  const Fingerprint& print = bank.fingerprint();
  const tokenizer::Ids ids = tokenizer.encode(arguments.subject);
  if (print.embedder == "sif") return {sif_vector(print, snapshot, ids, arguments)};
  if (print.embedder == "pooled") return pooled_vectors(print, snapshot, ids, arguments);
  if (tools::has_encoder(bank)) return {encoder_vector(bank, arguments)};
  fail(ErrorKind::mismatch, "the bank's embedder is '" + print.embedder +
                                "', which this version of memlong does not know");
}

}  // namespace memlong::bank_tool
