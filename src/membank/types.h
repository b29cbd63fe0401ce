// The records of a bank, as the rest of memlong sees them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/hash.h"
#include "tensor/tensor.h"

namespace memlong::membank {

using ChunkId = uint64_t;     ///< rises with time, never reused; 0: none
using DocumentId = uint64_t;  ///< rises with time, never reused; 0: none

/// A namespace has 1 to so many bytes.
inline constexpr size_t kMaxNameSpaceBytes = 400;

/// What a bank's content depends on. Opening with another one is refused (mismatch), naming the
/// field and both values.
struct Fingerprint {
  std::string tokenizer;     ///< hex SHA-256
  std::string writer;        ///< hex SHA-256 of the writer's weights as used
  int32_t memory_layer = 0;  ///< m
  int32_t kv_heads = 0;      ///< G
  int32_t head_dim = 0;      ///< D
  int32_t chunk_tokens = 0;  ///< tau
  DType kv_dtype = DType::bf16;
  std::string embedder;      ///< "sif", "pooled", or "encoder:" and a hash
  int32_t embedder_dim = 0;  ///< E
  bool operator==(const Fingerprint&) const = default;
  /// Hex SHA-256 of all fields; `memlong-bank stats` shows it.
  [[nodiscard]] std::string digest() const;
};

enum class DocumentKind : uint8_t { text, dialog };

struct Document {
  DocumentId id = 0;
  std::string name;        ///< a path, a JSON-lines record's name, a session's name
  std::string name_space;  ///< "default" unless said otherwise
  uint32_t name_space_id = 0;
  DocumentKind kind = DocumentKind::text;
  bool complete = false;  ///< a text that was read to its end; dialogs never are
  Digest content_hash{};  ///< of a text's bytes; zero for dialogs
  int64_t tokens = 0;     ///< all tokens, those of pruned chunks and of the tail included
  int64_t chunks = 0;     ///< chunks in the bank now
  int64_t text_bytes = 0;
  int64_t created = 0;  ///< microseconds since 1970
  int64_t updated = 0;
  std::vector<int32_t> tail;  ///< a dialog's tokens that are not yet a whole chunk
  std::string settings;       ///< a dialog's settings (template, system prompt), JSON, may be ""
};

struct NewDocument {
  std::string name;
  std::string name_space = "default";
  DocumentKind kind = DocumentKind::text;
  Digest content_hash{};
  int64_t created = 0;  ///< 0: now
  std::string settings;
};

/// A chunk without its payload.
struct ChunkInfo {
  ChunkId id = 0;
  DocumentId document = 0;
  uint32_t name_space_id = 0;
  int32_t tokens = 0;  ///< n <= tau
  int64_t begin = 0;   ///< position of its first token in the document
  int64_t created = 0;
  uint64_t hits = 0;     ///< how often it was retrieved (as last flushed)
  int64_t last_hit = 0;  ///< microseconds, 0: never
};

/// A message of a dialog. Its tokens are [begin, end) of the document.
struct Turn {
  std::string role;
  std::string content;
  int64_t begin = 0;
  int64_t end = 0;
  int64_t content_begin = 0;  ///< tokens of the content alone, [content_begin, content_end)
  int64_t content_end = 0;
  int64_t time = 0;
};

struct BankStats {
  int64_t documents = 0;
  int64_t chunks = 0;
  int64_t tokens = 0;       ///< of the chunks in the bank
  int64_t bytes = 0;        ///< of the data file on disk
  int64_t used_bytes = 0;   ///< of those, pages in use
  uint64_t generation = 0;  ///< rises with every commit
};

}  // namespace memlong::membank
