#include "membank/transfer.h"

#include <algorithm>
#include <utility>

#include "membank/kv_codec.h"
#include "membank/manifest.h"

namespace memlong::membank {
namespace {

constexpr size_t kBytesPerCommit = size_t{32} << 20;

/// Where a copy stands: rolled back with the commit when the commit is replayed.
struct Progress {
  size_t document = 0;  ///< of the list
  size_t chunk = 0;     ///< of its chunks
  DocumentId copy = 0;  ///< its id in the target, 0: not begun
  TransferResult result;
};

class Copier {
 public:
  Copier(const Bank& from, Bank& to, std::vector<Document> documents)
      : from_(from), to_(to), documents_(std::move(documents)) {}

  TransferResult run(const std::function<void(int64_t, int64_t)>& progress) {
    Progress at;
    while (at.document < documents_.size()) {
      Progress reached;
      to_.update([&](Transaction& transaction) { reached = copy_batch(transaction, at); });
      at = reached;
      if (progress) {
        progress(static_cast<int64_t>(at.document), static_cast<int64_t>(documents_.size()));
      }
    }
    return at.result;
  }

 private:
  Progress copy_batch(Transaction& to, Progress at) {
    const auto source = from_.snapshot();
    const size_t room =
        std::max<size_t>(1, kBytesPerCommit / kv_bytes(from_.fingerprint(), tokens_per_chunk()));
    size_t left = room;
    while (left > 0 && at.document < documents_.size()) {
      copy_document(*source, to, at, left);
    }
    return at;
  }

  [[nodiscard]] int64_t tokens_per_chunk() const { return from_.fingerprint().chunk_tokens; }

  /// Copies on until the document ends or `left` chunks are written.
  void copy_document(const Snapshot& source, Transaction& to, Progress& at, size_t& left) {
    const Document& document = documents_[at.document];
    if (at.copy == 0) {
      --left;
      if (known(to, document)) {
        ++at.result.skipped;
        ++at.document;
        return;
      }
      at.copy = to.begin_copy(document);
      copy_text(source, to, document, at.copy);
    }
    const std::vector<ChunkInfo> chunks = source.document_chunks(document.id);
    for (; left > 0 && at.chunk < chunks.size(); ++at.chunk, --left) {
      copy_chunk(source, to, chunks[at.chunk], at);
    }
    if (at.chunk < chunks.size()) return;
    to.finish_copy(at.copy, document);
    ++at.result.documents;
    ++at.document;
    at.chunk = 0;
    at.copy = 0;
  }

  /// Whether the target has it; an unfinished text makes way for a finished one.
  static bool known(Transaction& to, const Document& document) {
    const auto there = document.kind == DocumentKind::text && document.content_hash != Digest{}
                           ? to.find_text(document.name_space, document.content_hash)
                           : to.find_name(document.name_space, document.name, document.kind);
    if (!there) return false;
    if (there->complete || !document.complete) return true;
    to.forget(there->id);
    return false;
  }

  static void copy_text(const Snapshot& source, Transaction& to, const Document& document,
                        DocumentId copy) {
    for (const Turn& turn : source.turns(document.id)) to.append_turn(copy, turn);
    if (document.kind == DocumentKind::text) to.append_text(copy, source.text(document.id));
  }

  void copy_chunk(const Snapshot& source, Transaction& to, const ChunkInfo& info, Progress& at) {
    const Fingerprint& f = from_.fingerprint();
    const Shape shape{f.kv_heads, info.tokens, f.head_dim};
    const Tensor k(shape, f.kv_dtype);
    const Tensor v(shape, f.kv_dtype);
    source.read_kv(info.id, k, v);
    std::vector<float> vector = source.chunk_vector(info.id);
    to.copy_chunk(at.copy, info, source.chunk_tokens(info.id), vector, k, v);
    ++at.result.chunks;
    at.result.tokens += info.tokens;
  }

  const Bank& from_;
  Bank& to_;
  std::vector<Document> documents_;
};

void copy_blobs(const Snapshot& source, Bank& to) {
  std::vector<std::string> missing;
  {
    const auto target = to.snapshot();
    const std::vector<std::string> there = target->blob_keys();
    for (const std::string& key : source.blob_keys()) {
      if (std::find(there.begin(), there.end(), key) == there.end()) missing.push_back(key);
    }
  }
  if (missing.empty()) return;
  to.update([&](Transaction& transaction) {
    for (const std::string& key : missing) transaction.set_blob(key, source.blob(key));
  });
}

}  // namespace

TransferResult copy_documents(const Bank& from, Bank& to,
                              const std::vector<std::string>& name_spaces,
                              const std::function<void(int64_t done, int64_t total)>& progress) {
  require_same(to.fingerprint(), from.fingerprint(), to.folder().string(), from.folder().string());
  const auto source = from.snapshot();
  std::vector<Document> documents = source->documents();
  std::erase_if(documents, [&](const Document& document) {
    return !name_spaces.empty() && std::find(name_spaces.begin(), name_spaces.end(),
                                             document.name_space) == name_spaces.end();
  });
  copy_blobs(*source, to);
  return Copier(from, to, std::move(documents)).run(progress);
}

}  // namespace memlong::membank
