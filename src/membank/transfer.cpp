#include "membank/transfer.h"

#include <algorithm>
#include <utility>

#include "common/error.h"
#include "membank/document_copy.h"
#include "membank/kv_codec.h"
#include "membank/manifest.h"

namespace memlong::membank {
namespace {

constexpr size_t kBytesPerCommit = size_t{32} << 20;

/// Where a copy stands: rolled back with the commit when the commit is replayed.
struct Progress {
  size_t document = 0;      ///< of the list
  DocumentId copy = 0;      ///< its id in the target, 0: not begun
  DocumentId replaces = 0;  ///< goes from the target when the copy is whole
  size_t chunk = 0;         ///< of its chunks
  int64_t tokens = 0;       ///< of those that are copied
  TransferResult result;
};

class Copier {
 public:
  /// All is read from one state of the source.
  Copier(const Snapshot& source, const Fingerprint& fingerprint, Bank& to,
         std::vector<Document> documents)
      : source_(source), fingerprint_(fingerprint), to_(to), documents_(std::move(documents)) {}

  TransferResult run(TransferResult before, const std::function<void(int64_t, int64_t)>& progress) {
    Progress at;
    at.result = std::move(before);
    while (at.document < documents_.size()) {
      Progress reached;
      to_.update([&](Transaction& transaction) { reached = copy_batch(transaction, at); });
      at = std::move(reached);
      if (progress) {
        progress(static_cast<int64_t>(at.document), static_cast<int64_t>(documents_.size()));
      }
    }
    return at.result;
  }

 private:
  Progress copy_batch(Transaction& to, Progress at) {
    size_t left =
        std::max<size_t>(1, kBytesPerCommit / kv_bytes(fingerprint_, fingerprint_.chunk_tokens));
    while (left > 0 && at.document < documents_.size()) {
      const Document& document = documents_[at.document];
      try {
        if (copy_document(to, document, at, left)) next(at);
      } catch (const Unreadable& damage) {
        if (at.copy != 0) to.forget(at.copy);
        leave_out(at, damage.what);
      }
    }
    return at;
  }

  static void next(Progress& at) {
    at = {.document = at.document + 1, .result = std::move(at.result)};
  }

  void leave_out(Progress& at, const std::string& why) {
    const Document& document = documents_[at.document];
    at.result.left_out.push_back({document.id, document.name_space, document.name, why});
    next(at);
  }

  /// Copies on until the document ends (true) or `left` chunks are written.
  bool copy_document(Transaction& to, const Document& document, Progress& at, size_t& left) {
    if (at.copy == 0) {
      --left;
      const Standing standing = standing_of(source_, document, to);
      if (standing.known) {
        ++at.result.skipped;
        return true;
      }
      if (!standing.conflict.empty()) throw Unreadable{standing.conflict};
      at.replaces = standing.replaces;
      at.copy = to.begin_copy(document);
      copy_text(source_, document, to, at.copy);
    }
    if (chunks_of_ != document.id) {
      chunks_ = chunks_to_copy(source_, document, fingerprint_.chunk_tokens);
      chunks_of_ = document.id;
    }
    for (; left > 0 && at.chunk < chunks_.size(); ++at.chunk, --left) {
      copy_chunk(source_, fingerprint_, chunks_[at.chunk], to, at.copy);
      at.tokens += chunks_[at.chunk].tokens;
    }
    if (at.chunk < chunks_.size()) return false;
    if (at.replaces != 0) to.forget(at.replaces);
    to.finish_copy(at.copy, document);
    ++at.result.documents;
    at.result.chunks += static_cast<int64_t>(at.chunk);
    at.result.tokens += at.tokens;
    return true;
  }

  const Snapshot& source_;
  const Fingerprint& fingerprint_;
  Bank& to_;
  std::vector<Document> documents_;
  std::vector<ChunkInfo> chunks_;
  DocumentId chunks_of_ = 0;  ///< the document whose chunks these are
};

/// Vectors that were made with other parameters cannot be compared.
void require_same_embedder(const Bank& from, const Snapshot& source, const Bank& to,
                           const Snapshot& target) {
  const std::string parameters = target.blob("sif");
  if (parameters.empty() || source.blob("sif").empty()) return;
  if (parameters == source.blob("sif")) return;
  fail(ErrorKind::mismatch, "bank " + to.folder().string() + " and bank " + from.folder().string() +
                                " have other parameters of their embedder (sif), so that vectors "
                                "of one cannot be searched with those of the other; use a bank of "
                                "its own, or read the texts in again");
}

void copy_blobs(const Snapshot& source, const Snapshot& target, Bank& to) {
  const std::vector<std::string> there = target.blob_keys();
  std::vector<std::string> missing = source.blob_keys();
  std::erase_if(missing, [&](const std::string& key) {
    return std::find(there.begin(), there.end(), key) != there.end();
  });
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
  TransferResult damaged;
  std::vector<Document> documents = source->documents([&](DocumentId id, const std::string& what) {
    damaged.left_out.push_back({id, "", "", what});
  });
  std::erase_if(documents, [&](const Document& document) {
    return !name_spaces.empty() && std::find(name_spaces.begin(), name_spaces.end(),
                                             document.name_space) == name_spaces.end();
  });
  {
    const auto target = to.snapshot();
    require_same_embedder(from, *source, to, *target);
    copy_blobs(*source, *target, to);
  }
  return Copier(*source, from.fingerprint(), to, std::move(documents))
      .run(std::move(damaged), progress);
}

}  // namespace memlong::membank
