#include "membank/document_copy.h"

#include <algorithm>

#include "common/error.h"

namespace memlong::membank {
namespace {

/// Damage of the source; that of the target ends the copy.
template <class Fn>
auto readable(const Fn& read) {
  try {
    return read();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt) throw;
    throw Unreadable{error.what()};
  }
}

bool same(const Turn& a, const Turn& b) {
  return a.role == b.role && a.content == b.content && a.begin == b.begin && a.end == b.end &&
         a.time == b.time;
}

/// Whether all turns of the copy are turns of the dialog, so that none is lost with the copy.
bool went_on(const Snapshot& source, const Document& dialog, const Snapshot& to,
             const Document& copy) {
  if (dialog.created != copy.created) return false;
  const std::vector<Turn> turns = readable([&] { return source.turns(dialog.id); });
  const std::vector<Turn> known = to.turns(copy.id);
  return known.size() <= turns.size() &&
         std::equal(known.begin(), known.end(), turns.begin(), same);
}

}  // namespace

Standing standing_of(const Snapshot& source, const Document& document, const Snapshot& to) {
  const bool by_content = document.kind == DocumentKind::text && document.content_hash != Digest{};
  const auto there = by_content ? to.find_text(document.name_space, document.content_hash)
                                : to.find_name(document.name_space, document.name, document.kind);
  if (!there) return {};
  if (document.kind == DocumentKind::text) {
    if (there->complete || !document.complete) return {.known = true};
    return {.replaces = there->id};
  }
  if (there->created == document.created && there->updated >= document.updated) {
    return {.known = true};
  }
  if (went_on(source, document, to, *there)) return {.replaces = there->id};
  return {.conflict = "another dialog has this name there (document " + std::to_string(there->id) +
                      "); forget that one, or import into another bank"};
}

void copy_text(const Snapshot& source, const Document& document, Transaction& to, DocumentId copy) {
  for (const Turn& turn : readable([&] { return source.turns(document.id); })) {
    to.append_turn(copy, turn);
  }
  if (document.kind == DocumentKind::dialog) return;
  to.append_text(copy, readable([&] { return source.text(document.id); }));
}

std::vector<ChunkInfo> chunks_to_copy(const Snapshot& source, const Document& document,
                                      int64_t chunk_tokens) {
  std::vector<ChunkInfo> chunks = readable([&] { return source.document_chunks(document.id); });
  if (static_cast<int64_t>(chunks.size()) != document.chunks) {
    throw Unreadable{"document " + std::to_string(document.id) + " speaks of " +
                     std::to_string(document.chunks) + " chunks, there are " +
                     std::to_string(chunks.size())};
  }
  const int64_t end = document.tokens - static_cast<int64_t>(document.tail.size());
  int64_t least = 0;
  for (const ChunkInfo& chunk : chunks) {
    const bool placed = chunk.document == document.id && chunk.begin >= least &&
                        chunk.begin % chunk_tokens == 0 && chunk.begin <= end - chunk.tokens;
    if (!placed) {
      throw Unreadable{"chunk " + std::to_string(chunk.id) + " does not fit into document " +
                       std::to_string(document.id)};
    }
    least = chunk.begin + chunk.tokens;
  }
  return chunks;
}

void copy_chunk(const Snapshot& source, const Fingerprint& fingerprint, const ChunkInfo& info,
                Transaction& to, DocumentId copy) {
  const Shape shape{fingerprint.kv_heads, info.tokens, fingerprint.head_dim};
  const Tensor k(shape, fingerprint.kv_dtype);
  const Tensor v(shape, fingerprint.kv_dtype);
  const bool there = readable([&] { return source.read_kv(info.id, k, v); });
  const std::vector<float> vector = readable([&] { return source.chunk_vector(info.id); });
  if (!there || vector.empty()) {
    throw Unreadable{"chunk " + std::to_string(info.id) +
                     " lacks its keys and values or its vector"};
  }
  to.copy_chunk(copy, info, readable([&] { return source.chunk_tokens(info.id); }), vector, k, v);
}

}  // namespace memlong::membank
