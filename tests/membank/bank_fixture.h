// Banks in a folder of one test, and chunks that are told apart by a number.
#pragma once

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/error.h"
#include "membank/bank.h"
#include "support/temp_folder.h"

namespace memlong::membank::testing {

using test::TempFolder;

inline Fingerprint small_fingerprint() {
  Fingerprint f;
  f.tokenizer = "t0";
  f.writer = "w0";
  f.memory_layer = 2;
  f.kv_heads = 2;
  f.head_dim = 8;
  f.chunk_tokens = 8;
  f.kv_dtype = DType::bf16;
  f.embedder = "sif";
  f.embedder_dim = 16;
  return f;
}

inline std::unique_ptr<Bank> open_writer(const std::filesystem::path& folder,
                                         const Fingerprint& f = small_fingerprint(),
                                         size_t map_bytes = size_t{1} << 20) {
  return Bank::open(folder, {OpenMode::write, f, map_bytes});
}

inline std::unique_ptr<Bank> open_reader(const std::filesystem::path& folder) {
  return Bank::open(folder, {OpenMode::read, std::nullopt, size_t{1} << 20});
}

/// What chunk number `seed` holds; every value is exact in bf16 and f16.
struct SampleChunk {
  std::vector<int32_t> ids;
  std::vector<float> vector;
  Tensor k;
  Tensor v;

  SampleChunk(const Fingerprint& f, int seed, int tokens)
      : ids(static_cast<size_t>(tokens)),
        vector(static_cast<size_t>(f.embedder_dim)),
        k({f.kv_heads, tokens, f.head_dim}, DType::f32),
        v({f.kv_heads, tokens, f.head_dim}, DType::f32) {
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = seed * 100 + static_cast<int>(i);
    for (size_t i = 0; i < vector.size(); ++i) vector[i] = value(seed, i);
    for (int64_t i = 0; i < k.view().elements(); ++i) {
      k.data<float>()[i] = value(seed + 1, static_cast<size_t>(i));
      v.data<float>()[i] = -value(seed + 2, static_cast<size_t>(i));
    }
  }
  static float value(int seed, size_t i) {
    return static_cast<float>((static_cast<size_t>(seed) * 31 + i * 7) % 127) / 64.0F - 1.0F;
  }
};

inline NewDocument named(const std::string& name, DocumentKind kind = DocumentKind::text) {
  NewDocument document;
  document.name = name;
  document.kind = kind;
  return document;
}

inline ChunkId append(Transaction& t, DocumentId id, const Fingerprint& f, int seed,
                      int tokens = -1) {
  const SampleChunk c(f, seed, tokens < 0 ? f.chunk_tokens : tokens);
  return t.append_chunk(id, c.ids, c.vector, c.k, c.v);
}

/// A complete text of `chunks` chunks, numbered from `seed`, in one commit.
inline DocumentId add_text(Bank& bank, const std::string& name, int chunks, int seed = 0,
                           const std::string& name_space = "default") {
  DocumentId id = 0;
  bank.update([&](Transaction& t) {
    NewDocument document;
    document.name = name;
    document.name_space = name_space;
    document.content_hash = sha256(name + std::to_string(seed));
    id = t.create_document(document);
    for (int i = 0; i < chunks; ++i) append(t, id, bank.fingerprint(), seed + i);
    t.append_text(id, "text of " + name);
    t.finish_document(id);
  });
  return id;
}

/// The error that fn throws.
template <class Fn>
Error error_of(const Fn& fn) {
  try {
    fn();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorKind::internal, "nothing was thrown"};
}

/// "database key: what" for every finding; empty for a good bank.
inline std::string findings(const Bank& bank) {
  std::string text;
  for (const BadRecord& bad : bank.verify()) {
    text += bad.database + " " + bad.key + ": " + bad.what + "\n";
  }
  return text;
}

/// Whether the chunk holds what SampleChunk(seed) held.
inline bool holds(const Snapshot& snapshot, const Fingerprint& f, ChunkId id, int seed) {
  const auto info = snapshot.chunk(id);
  if (!info) return false;
  const SampleChunk want(f, seed, info->tokens);
  const Tensor k(want.k.shape(), DType::f32);
  const Tensor v(want.v.shape(), DType::f32);
  if (!snapshot.read_kv(id, k, v)) return false;
  const auto same = [](const Tensor& a, const Tensor& b) {
    return std::equal(a.data<float>(), a.data<float>() + a.view().elements(), b.data<float>());
  };
  return snapshot.chunk_tokens(id) == want.ids && snapshot.chunk_vector(id) == want.vector &&
         same(k, want.k) && same(v, want.v);
}

}  // namespace memlong::membank::testing
