#include <cmath>
#include <cstring>

#include "common/error.h"
#include "membank/byte_io.h"
#include "membank/records.h"
#include "tensor/dtype.h"
#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace memlong::membank {
namespace {

constexpr size_t kChunkHeader = 32;
constexpr float kLargestHalf = 65504.0F;

}  // namespace

std::string encode_state(const State& state) {
  ByteWriter out;
  out.put(state.generation);
  out.put(state.removal_generation);
  out.put(state.last_document);
  out.put(state.last_chunk);
  out.put(state.last_name_space);
  out.put(state.documents);
  out.put(state.chunks);
  out.put(state.tokens);
  out.put(state.copying);
  return out.take();
}

State decode_state(std::string_view body) {
  ByteReader in(body);
  State state;
  state.generation = in.get<uint64_t>();
  state.removal_generation = in.get<uint64_t>();
  state.last_document = in.get<uint64_t>();
  state.last_chunk = in.get<uint64_t>();
  state.last_name_space = in.get<uint32_t>();
  state.documents = in.get<int64_t>();
  state.chunks = in.get<int64_t>();
  state.tokens = in.get<int64_t>();
  state.copying = in.get<uint64_t>();
  return state;
}

std::string encode_document(const Document& document) {
  ByteWriter out;
  out.put(static_cast<uint8_t>(document.kind));
  out.put(static_cast<uint8_t>(document.complete ? 1 : 0));
  out.put(document.name_space_id);
  out.put(document.tokens);
  out.put(document.chunks);
  out.put(document.text_bytes);
  out.put(document.created);
  out.put(document.updated);
  out.raw(
      {reinterpret_cast<const char*>(document.content_hash.data()), document.content_hash.size()});
  out.text(document.name);
  out.text(document.settings);
  out.put(static_cast<uint32_t>(document.tail.size()));
  out.ids(document.tail);
  return out.take();
}

Document decode_document(DocumentId id, std::string_view body) {
  ByteReader in(body);
  Document document;
  document.id = id;
  document.kind = in.get<uint8_t>() == 0 ? DocumentKind::text : DocumentKind::dialog;
  document.complete = in.get<uint8_t>() != 0;
  document.name_space_id = in.get<uint32_t>();
  document.tokens = in.get<int64_t>();
  document.chunks = in.get<int64_t>();
  document.text_bytes = in.get<int64_t>();
  document.created = in.get<int64_t>();
  document.updated = in.get<int64_t>();
  const std::string_view hash = in.raw(document.content_hash.size());
  std::memcpy(document.content_hash.data(), hash.data(), hash.size());
  document.name = in.text();
  document.settings = in.text();
  document.tail = in.ids(in.get<uint32_t>());
  return document;
}

std::string encode_chunk(const ChunkInfo& info, std::span<const int32_t> ids,
                         std::string_view kv_tail) {
  ByteWriter out;
  out.put(info.document);
  out.put(info.begin);
  out.put(info.created);
  out.put(info.name_space_id);
  out.put(static_cast<uint32_t>(ids.size()));
  out.ids(ids);
  out.raw(kv_tail);
  return out.take();
}

ChunkInfo decode_chunk(ChunkId id, std::string_view body) {
  ByteReader in(body);
  ChunkInfo info;
  info.id = id;
  info.document = in.get<uint64_t>();
  info.begin = in.get<int64_t>();
  info.created = in.get<int64_t>();
  info.name_space_id = in.get<uint32_t>();
  const auto tokens = in.get<uint32_t>();
  in.raw(size_t{tokens} * sizeof(int32_t));  // the ids: a number that they belie is refused
  info.tokens = static_cast<int32_t>(tokens);
  return info;
}

std::vector<int32_t> decode_chunk_tokens(std::string_view body) {
  ByteReader in(body);
  in.raw(kChunkHeader - 4);
  return in.ids(in.get<uint32_t>());
}

std::string_view chunk_kv_tail(std::string_view body) {
  ByteReader in(body);
  in.raw(kChunkHeader - 4);
  in.raw(size_t{in.get<uint32_t>()} * 4);
  return in.rest();
}

std::string encode_usage(const Usage& usage) {
  ByteWriter out;
  out.put(usage.hits);
  out.put(usage.last_hit);
  return out.take();
}

Usage decode_usage(std::string_view body) {
  ByteReader in(body);
  Usage usage;
  usage.hits = in.get<uint64_t>();
  usage.last_hit = in.get<int64_t>();
  return usage;
}

std::string encode_turn(const Turn& turn) {
  ByteWriter out;
  out.put(turn.begin);
  out.put(turn.end);
  out.put(turn.content_begin);
  out.put(turn.content_end);
  out.put(turn.time);
  out.text(turn.role);
  out.text(turn.content);
  return out.take();
}

Turn decode_turn(std::string_view body) {
  ByteReader in(body);
  Turn turn;
  turn.begin = in.get<int64_t>();
  turn.end = in.get<int64_t>();
  turn.content_begin = in.get<int64_t>();
  turn.content_end = in.get<int64_t>();
  turn.time = in.get<int64_t>();
  turn.role = in.text();
  turn.content = in.text();
  return turn;
}

std::string encode_vector(std::span<const float> vector) {
  ByteWriter out;
  for (const float value : vector) {
    if (!std::isfinite(value) || std::abs(value) > kLargestHalf) {
      fail(ErrorKind::usage,
           "a chunk's vector holds a value that half precision cannot: " + std::to_string(value));
    }
    out.put(f16(value).bits);
  }
  return out.take();
}

void decode_vector(std::string_view body, std::span<float> out) {
  if (body.size() != out.size() * 2) {
    fail(ErrorKind::corrupt, "a vector of the bank has " + std::to_string(body.size() / 2) +
                                 " elements instead of " + std::to_string(out.size()));
  }
  size_t i = 0;
#if defined(__F16C__) && defined(__AVX__)
  for (; i + 8 <= out.size(); i += 8) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(body.data() + 2 * i));
    _mm256_storeu_ps(out.data() + i, _mm256_cvtph_ps(bits));
  }
#endif
  for (; i < out.size(); ++i) {
    f16 half;
    std::memcpy(&half.bits, body.data() + 2 * i, 2);
    out[i] = static_cast<float>(half);
  }
}

}  // namespace memlong::membank
