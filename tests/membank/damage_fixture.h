// A bank with something in every database, and all that can be read of it.
#pragma once

#include <sstream>

#include "membank/bank_fixture.h"

namespace memlong::membank::testing {

inline Fingerprint paged_chunks() {
  Fingerprint f = small_fingerprint();
  f.head_dim = 64;  // 4 KiB of K and V: pages of their own
  return f;
}

inline void make_bank(const std::filesystem::path& folder) {
  const auto bank = open_writer(folder, paged_chunks());
  for (int i = 0; i < 6; ++i) add_text(*bank, "document " + std::to_string(i), 8, 10 * i);
  bank->update([&](Transaction& t) {
    const DocumentId id = t.create_document(named("talk", DocumentKind::dialog));
    t.append_turn(id, {"user", "hello", 0, 3, 1, 2, 5});
    t.set_tail(id, std::vector<int32_t>{1, 2, 3});
    t.set_blob("sif", std::string(9000, 's'));
  });
  bank->update([&](Transaction& t) { t.forget(2); });
  bank->count_hits(std::vector<ChunkId>{1, 20});
}

/// Everything that can be read, as text.
inline std::string content(const Bank& bank) {
  std::ostringstream out;
  const auto s = bank.snapshot();
  out << s->stats().documents << ' ' << s->stats().chunks << ' ' << s->stats().tokens << '\n';
  for (const Document& d : s->documents()) {
    out << d.id << d.name << d.name_space << d.tokens << d.complete << s->text(d.id);
    for (const ChunkInfo& c : s->document_chunks(d.id)) out << ' ' << c.id << '@' << c.begin;
    out << s->find_name(d.name_space, d.name, d.kind).has_value() << d.tail.size() << '\n';
  }
  s->for_each_chunk(0, [&](const ChunkInfo& c) {
    const Fingerprint& f = bank.fingerprint();
    const Tensor k({f.kv_heads, c.tokens, f.head_dim}, DType::f32);
    const Tensor v({f.kv_heads, c.tokens, f.head_dim}, DType::f32);
    double sum = 0;
    if (s->read_kv(c.id, k, v)) {
      for (int64_t i = 0; i < k.view().elements(); ++i) {
        sum += k.data<float>()[i] * static_cast<float>(i) + v.data<float>()[i];
      }
    }
    out << c.id << ' ' << c.hits << ' ' << s->chunk_tokens(c.id).at(2) << ' ' << sum << '\n';
  });
  s->for_each_vector(0, [&](ChunkId id, std::span<const float> v) { out << id << v[3] << '\n'; });
  out << sha256(s->blob("sif"))[0];
  return out.str();
}

}  // namespace memlong::membank::testing
