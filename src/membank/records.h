// Bytes of the records: keys, values, checksums. docs/formats/membank.md is the same in words.
//
// Keys are big-endian, so that they sort by number; values are little-endian. Every value ends
// with the CRC-32C of key and value. Pure functions; all errors are Error{corrupt}.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "membank/types.h"

namespace memlong::membank {

inline constexpr size_t kCrcBytes = 4;
/// So many last bytes of a chunk's K and V stand in its `chunks` record, so that the rest with its
/// checksum and LMDB's page header (16 bytes) fills whole pages where K and V do.
inline constexpr size_t kKvTailBytes = 20;
/// Text per `texts` record: with checksum and page header four pages.
inline constexpr size_t kTextBlockBytes = 4 * 4096 - 16 - kCrcBytes;

/// Counters of the bank, record `state` of database `meta`.
struct State {
  uint64_t generation = 0;
  uint64_t removal_generation = 0;
  DocumentId last_document = 0;
  ChunkId last_chunk = 0;
  uint32_t last_name_space = 0;
  int64_t documents = 0;
  int64_t chunks = 0;
  int64_t tokens = 0;
  DocumentId copying = 0;  ///< a document whose copy from another bank has not ended
};

struct Usage {
  uint64_t hits = 0;
  int64_t last_hit = 0;
};

// Keys.
std::string key_u64(uint64_t value);
std::string key_u64_u64(uint64_t first, uint64_t second);
std::string key_u64_u32(uint64_t first, uint32_t second);
/// Prefixes of `doc_names`: namespace, kind; and of one name also the first 16 bytes of its
/// SHA-256.
std::string key_names(uint32_t name_space, DocumentKind kind);
std::string key_name(uint32_t name_space, DocumentKind kind, std::string_view name);
/// Prefix of `doc_hashes`: namespace, content hash.
std::string key_hash(uint32_t name_space, const Digest& hash);
uint64_t read_big_u64(std::string_view key, size_t offset);
uint32_t read_big_u32(std::string_view key, size_t offset);

// Checksums.
uint32_t record_crc(std::string_view key, std::string_view body);
std::string seal(std::string_view key, std::string body);  ///< appends the checksum
/// Writes the checksum into the last bytes of a value that was filled in place.
void seal_in_place(std::string_view key, char* value, size_t size);
bool intact(std::string_view key, std::string_view value);
/// The value without its checksum. Errors: corrupt, naming database and key.
std::string_view open_record(const char* database, std::string_view key, std::string_view value);
/// A key for people: "12", "3/64", a text, or hex.
std::string printable_key(std::string_view key);

// Values (bodies, without checksum).
std::string encode_state(const State& state);
State decode_state(std::string_view body);
std::string encode_document(const Document& document);
/// Without the namespace's name.
Document decode_document(DocumentId id, std::string_view body);
std::string encode_chunk(const ChunkInfo& info, std::span<const int32_t> ids,
                         std::string_view kv_tail);
ChunkInfo decode_chunk(ChunkId id, std::string_view body);
std::vector<int32_t> decode_chunk_tokens(std::string_view body);
std::string_view chunk_kv_tail(std::string_view body);
std::string encode_usage(const Usage& usage);
Usage decode_usage(std::string_view body);
std::string encode_turn(const Turn& turn);
Turn decode_turn(std::string_view body);
std::string encode_u64(uint64_t value);
uint64_t decode_u64(std::string_view body);
std::string encode_u32(uint32_t value);
uint32_t decode_u32(std::string_view body);
/// A vector is stored in half precision. Errors: usage (not finite, or beyond 65504).
std::string encode_vector(std::span<const float> vector);
void decode_vector(std::string_view body, std::span<float> out);

}  // namespace memlong::membank
