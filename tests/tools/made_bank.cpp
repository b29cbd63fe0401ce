#include "tools/made_bank.h"

#include <algorithm>

#include "common/hash.h"
#include "model/config.h"
#include "model/weights.h"
#include "tools/run_tool.h"

namespace memlong::tools_test {
namespace {

constexpr int32_t kHeads = 2;
constexpr int32_t kHeadDim = 8;

}  // namespace

BankMaker::BankMaker(const std::filesystem::path& folder)
    : tokenizer_(tokenizer::load_tokenizer(reference_model())) {
  const model::ModelConfig config = model::load_config(reference_model());
  const model::WeightStore weights = model::WeightStore::open(reference_model());
  const auto sif = retriever::load_sif(reference_model(), config.vocab, config.hidden);
  Context context({.device = Device::cpu, .threads = 1});
  embedder_ =
      retriever::make_sif_embedder(context, weights.get("model.embed_tokens.weight"), sif.value());
  membank::Fingerprint print;
  print.tokenizer = to_hex(tokenizer_->hash());
  print.writer = to_hex(sha256("a writer"));
  print.memory_layer = 4;
  print.kv_heads = kHeads;
  print.head_dim = kHeadDim;
  print.chunk_tokens = kChunk;
  print.embedder = "sif";
  print.embedder_dim = static_cast<int32_t>(config.hidden);
  bank_ = membank::Bank::open(folder, {.mode = membank::OpenMode::write, .fingerprint = print});
  bank_->update([&](membank::Transaction& transaction) {
    transaction.set_blob("sif", sif->serialize());
    transaction.set_blob("model", reference_model());
  });
}

int64_t BankMaker::tokens_of(const std::string& text) const {
  return static_cast<int64_t>(tokenizer_->encode(text).size());
}

membank::DocumentId BankMaker::add_text(const std::string& name, const std::string& text,
                                        const std::string& name_space) {
  membank::DocumentId id = 0;
  bank_->update([&](membank::Transaction& transaction) {
    membank::NewDocument document;
    document.name = name;
    document.name_space = name_space;
    document.content_hash = sha256(text);
    id = transaction.create_document(document);
    transaction.append_text(id, text);
    add_chunks(transaction, id, tokenizer_->encode(text), false);
    transaction.finish_document(id);
  });
  return id;
}

membank::DocumentId BankMaker::add_dialog(const std::string& name,
                                          const std::vector<membank::Turn>& turns,
                                          const std::string& name_space) {
  membank::DocumentId id = 0;
  bank_->update([&](membank::Transaction& transaction) {
    membank::NewDocument document;
    document.name = name;
    document.name_space = name_space;
    document.kind = membank::DocumentKind::dialog;
    id = transaction.create_document(document);
    tokenizer::Ids all;
    for (membank::Turn turn : turns) {
      const tokenizer::Ids ids = tokenizer_->encode(turn.content);
      turn.begin = turn.content_begin = static_cast<int64_t>(all.size());
      all.insert(all.end(), ids.begin(), ids.end());
      turn.end = turn.content_end = static_cast<int64_t>(all.size());
      transaction.append_turn(id, turn);
    }
    add_chunks(transaction, id, all, true);
  });
  return id;
}

void BankMaker::add_chunks(membank::Transaction& transaction, membank::DocumentId id,
                           const tokenizer::Ids& ids, bool keep_tail) {
  std::vector<float> vector(static_cast<size_t>(embedder_->dim()));
  for (size_t begin = 0; begin < ids.size(); begin += kChunk) {
    const size_t count = std::min<size_t>(kChunk, ids.size() - begin);
    const std::span<const int32_t> part(ids.data() + begin, count);
    if (count < kChunk && keep_tail) return transaction.set_tail(id, part);
    embedder_->embed(part, {}, vector);
    Tensor k({kHeads, static_cast<int64_t>(count), kHeadDim}, DType::f32);
    for (int64_t i = 0; i < k.view().elements(); ++i) {
      k.data<float>()[i] = static_cast<float>(i % 97) / 97;
    }
    transaction.append_chunk(id, part, vector, k, k);
  }
}

}  // namespace memlong::tools_test
