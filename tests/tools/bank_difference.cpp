#include "tools/bank_difference.h"

#include <cstring>
#include <memory>
#include <vector>

#include "membank/bank.h"

namespace memlong::tools_test {
namespace {

using namespace membank;

std::unique_ptr<Bank> open(const std::filesystem::path& folder) {
  return Bank::open(folder, {.mode = OpenMode::read, .fingerprint = std::nullopt});
}

bool same_document(const Document& a, const Document& b) {
  return a.id == b.id && a.name == b.name && a.name_space == b.name_space && a.kind == b.kind &&
         a.complete == b.complete && a.content_hash == b.content_hash && a.tokens == b.tokens &&
         a.chunks == b.chunks && a.text_bytes == b.text_bytes && a.tail == b.tail;
}

std::vector<std::vector<float>> all_vectors(const Snapshot& snapshot) {
  std::vector<std::vector<float>> all;
  snapshot.for_each_vector(0, [&](ChunkId, std::span<const float> vector) {
    all.emplace_back(vector.begin(), vector.end());
  });
  return all;
}

bool same_payload(const Bank& bank_a, const Snapshot& a, const Snapshot& b, const ChunkInfo& x) {
  const Fingerprint& print = bank_a.fingerprint();
  const Shape shape{print.kv_heads, x.tokens, print.head_dim};
  Tensor ka(shape, print.kv_dtype);
  Tensor va(shape, print.kv_dtype);
  Tensor kb(shape, print.kv_dtype);
  Tensor vb(shape, print.kv_dtype);
  return a.read_kv(x.id, ka, va) && b.read_kv(x.id, kb, vb) &&
         std::memcmp(ka.view().raw(), kb.view().raw(), ka.bytes()) == 0 &&
         std::memcmp(va.view().raw(), vb.view().raw(), va.bytes()) == 0 &&
         a.chunk_tokens(x.id) == b.chunk_tokens(x.id);
}

std::string document_difference(const Bank& bank_a, const Snapshot& a, const Snapshot& b,
                                const Document& document) {
  const std::string where = "document " + std::to_string(document.id) + " (" + document.name + ")";
  if (a.text(document.id) != b.text(document.id)) return where + ": text";
  const std::vector<ChunkInfo> chunks = a.document_chunks(document.id);
  const std::vector<ChunkInfo> others = b.document_chunks(document.id);
  if (chunks.size() != others.size()) return where + ": number of chunks";
  for (size_t i = 0; i < chunks.size(); ++i) {
    const ChunkInfo& x = chunks[i];
    const ChunkInfo& y = others[i];
    const std::string chunk = where + ", chunk " + std::to_string(x.id);
    if (x.id != y.id || x.begin != y.begin || x.tokens != y.tokens) return chunk + ": header";
    if (!same_payload(bank_a, a, b, x)) return chunk + ": tokens, keys or values";
  }
  return {};
}

}  // namespace

std::string bank_difference(const std::filesystem::path& a, const std::filesystem::path& b) {
  const auto bank_a = open(a);
  const auto bank_b = open(b);
  for (const Bank* bank : {bank_a.get(), bank_b.get()}) {
    const auto bad = bank->verify();
    if (!bad.empty()) return bank->folder().string() + ": " + bad[0].what;
  }
  if (!(bank_a->fingerprint() == bank_b->fingerprint())) return "fingerprint";
  const auto view_a = bank_a->snapshot();
  const auto view_b = bank_b->snapshot();
  for (const char* key : {"sif", "model"}) {
    if (view_a->blob(key) != view_b->blob(key)) return std::string("blob ") + key;
  }
  const std::vector<Document> documents = view_a->documents();
  const std::vector<Document> others = view_b->documents();
  if (documents.size() != others.size()) return "number of documents";
  for (size_t i = 0; i < documents.size(); ++i) {
    if (!same_document(documents[i], others[i])) return "document " + documents[i].name;
    std::string found = document_difference(*bank_a, *view_a, *view_b, documents[i]);
    if (!found.empty()) return found;
  }
  return all_vectors(*view_a) == all_vectors(*view_b) ? "" : "vectors";
}

}  // namespace memlong::tools_test
