#include "tools/bank_difference.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "membank/bank.h"

namespace memlong::tools_test {
namespace {

using namespace membank;

std::unique_ptr<Bank> open(const std::filesystem::path& folder) {
  return Bank::open(folder, {.mode = OpenMode::read, .fingerprint = std::nullopt});
}

bool same_document(const Document& a, const Document& b, bool numbers) {
  return (!numbers || a.id == b.id) && a.name == b.name && a.name_space == b.name_space &&
         a.kind == b.kind && a.complete == b.complete && a.content_hash == b.content_hash &&
         a.tokens == b.tokens && a.chunks == b.chunks && a.text_bytes == b.text_bytes &&
         a.tail == b.tail && a.settings == b.settings;
}

bool same_turns(const std::vector<Turn>& a, const std::vector<Turn>& b) {
  return std::ranges::equal(a, b, [](const Turn& x, const Turn& y) {
    return x.role == y.role && x.content == y.content && x.begin == y.begin && x.end == y.end &&
           x.content_begin == y.content_begin && x.content_end == y.content_end;
  });
}

std::vector<std::vector<float>> all_vectors(const Snapshot& snapshot) {
  std::vector<std::vector<float>> all;
  snapshot.for_each_vector(0, [&](ChunkId, std::span<const float> vector) {
    all.emplace_back(vector.begin(), vector.end());
  });
  return all;
}

/// K and V [2, G, n, D], f32 where they are to be compared as numbers.
Tensor keys_values(const Bank& bank, const Snapshot& snapshot, const ChunkInfo& chunk, DType type) {
  const Fingerprint& print = bank.fingerprint();
  Tensor both({2, print.kv_heads, chunk.tokens, print.head_dim}, type);
  const Shape one{print.kv_heads, chunk.tokens, print.head_dim};
  const bool there = snapshot.read_kv(chunk.id, both.view().slice(0, 0, 1).reshape(one),
                                      both.view().slice(0, 1, 2).reshape(one));
  return there ? std::move(both) : Tensor();
}

/// Of K or V, whichever differs more: see Comparison::rounding.
double distance(const Tensor& a, const Tensor& b) {
  double most = 0;
  const int64_t half = a.view().elements() / 2;
  for (const int64_t begin : {int64_t{0}, half}) {
    double difference = 0;
    double size = 0;
    for (int64_t i = begin; i < begin + half; ++i) {
      const double x = a.data<float>()[i];
      const double y = b.data<float>()[i];
      difference += (x - y) * (x - y);
      size += x * x;
    }
    most = std::max(most, std::sqrt(difference / size));
  }
  return most;
}

class Compared {
 public:
  Compared(const Bank& bank_a, const Bank& bank_b, const Comparison& comparison)
      : bank_a_(bank_a),
        bank_b_(bank_b),
        a_(bank_a.snapshot()),
        b_(bank_b.snapshot()),
        comparison_(comparison) {}

  [[nodiscard]] std::string difference() const {
    if (!(bank_a_.fingerprint() == bank_b_.fingerprint())) return "fingerprint";
    for (const char* key : {"sif", "model"}) {
      if (a_->blob(key) != b_->blob(key)) return std::string("blob ") + key;
    }
    const std::vector<Document> documents = a_->documents();
    const std::vector<Document> others = b_->documents();
    if (documents.size() != others.size()) return "number of documents";
    for (size_t i = 0; i < documents.size(); ++i) {
      std::string found = difference(documents[i], others[i]);
      if (!found.empty()) return found;
    }
    return all_vectors(*a_) == all_vectors(*b_) ? "" : "vectors";
  }

 private:
  [[nodiscard]] std::string difference(const Document& document, const Document& other) const {
    const std::string where =
        "document " + std::to_string(document.id) + " (" + document.name + ")";
    if (!same_document(document, other, comparison_.numbers)) return where;
    if (a_->text(document.id) != b_->text(other.id)) return where + ": text";
    if (!same_turns(a_->turns(document.id), b_->turns(other.id))) return where + ": turns";
    const std::vector<ChunkInfo> chunks = a_->document_chunks(document.id);
    const std::vector<ChunkInfo> others = b_->document_chunks(other.id);
    if (chunks.size() != others.size()) return where + ": number of chunks";
    for (size_t i = 0; i < chunks.size(); ++i) {
      const std::string found = difference(chunks[i], others[i]);
      if (!found.empty()) return where + ", chunk " + std::to_string(chunks[i].id) + ": " + found;
    }
    return {};
  }

  [[nodiscard]] std::string difference(const ChunkInfo& x, const ChunkInfo& y) const {
    const bool same_number = !comparison_.numbers || x.id == y.id;
    if (!same_number || x.begin != y.begin || x.tokens != y.tokens) return "header";
    if (a_->chunk_tokens(x.id) != b_->chunk_tokens(y.id)) return "tokens";
    const bool exact = comparison_.rounding == 0;
    const DType type = exact ? bank_a_.fingerprint().kv_dtype : DType::f32;
    const Tensor kv_a = keys_values(bank_a_, *a_, x, type);
    const Tensor kv_b = keys_values(bank_b_, *b_, y, type);
    if (kv_a.empty() || kv_b.empty()) return "no keys and values";
    if (exact) {
      const bool same = std::memcmp(kv_a.view().raw(), kv_b.view().raw(), kv_a.bytes()) == 0;
      return same ? "" : "keys or values";
    }
    const double apart = distance(kv_a, kv_b);
    return apart <= comparison_.rounding ? "" : "keys or values by " + std::to_string(apart);
  }

  const Bank& bank_a_;
  const Bank& bank_b_;
  std::unique_ptr<Snapshot> a_;
  std::unique_ptr<Snapshot> b_;
  Comparison comparison_;
};

}  // namespace

std::string bank_difference(const std::filesystem::path& a, const std::filesystem::path& b,
                            const Comparison& comparison) {
  const auto bank_a = open(a);
  const auto bank_b = open(b);
  for (const Bank* bank : {bank_a.get(), bank_b.get()}) {
    if (!comparison.verify) break;
    const auto bad = bank->verify();
    if (!bad.empty()) return bank->folder().string() + ": " + bad[0].what;
  }
  return Compared(*bank_a, *bank_b, comparison).difference();
}

}  // namespace memlong::tools_test
