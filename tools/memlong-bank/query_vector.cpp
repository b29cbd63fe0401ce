#include "tools/memlong-bank/query_vector.h"

#include "common/error.h"
#include "model/weights.h"
#include "retriever/embedder.h"

namespace memlong::bank_tool {

std::vector<float> query_vector(const membank::Bank& bank, const membank::Snapshot& snapshot,
                                const tokenizer::Tokenizer& tokenizer,
                                const BankArguments& arguments) {
  const membank::Fingerprint& print = bank.fingerprint();
  if (print.embedder != "sif") {
    fail(ErrorKind::usage, "search: the bank's embedder is '" + print.embedder +
                               "', and only 'sif' can be searched from here; /search of "
                               "memlong-chat searches this bank");
  }
  const std::string blob = snapshot.blob("sif");
  if (blob.empty()) fail(ErrorKind::corrupt, "the bank has lost its 'sif' parameters");
  const auto parameters = retriever::SifParameters::deserialize(blob);
  const model::WeightStore weights = model::WeightStore::open(model_folder(snapshot, arguments));
  const TensorView table = weights.get("model.embed_tokens.weight");
  if (table.rank() != 2 || table.dim(1) != print.embedder_dim) {
    fail(ErrorKind::mismatch, "the model's embedding is " + table.shape().to_string() +
                                  ", the bank's vectors have " +
                                  counted(print.embedder_dim, "dimension"));
  }
  Context context;
  const auto embedder = retriever::make_sif_embedder(context, table, parameters);
  std::vector<float> vector(static_cast<size_t>(print.embedder_dim));
  embedder->embed(tokenizer.encode(arguments.subject), {}, vector);
  return vector;
}

}  // namespace memlong::bank_tool
