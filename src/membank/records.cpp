#include "membank/records.h"

#include <algorithm>
#include <cstring>

#include "common/error.h"
#include "common/hash.h"
#include "membank/byte_io.h"

namespace memlong::membank {
namespace {

std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

template <class T>
void append_big(std::string& key, T value) {
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8) {
    key.push_back(static_cast<char>(value >> shift));
  }
}

template <class T>
T read_big(std::string_view key, size_t offset) {
  if (key.size() < offset + sizeof(T)) fail(ErrorKind::corrupt, "a key of the bank is too short");
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>((value << 8) | static_cast<unsigned char>(key[offset + i]));
  }
  return value;
}

}  // namespace

std::string key_u64(uint64_t value) {
  std::string key;
  append_big(key, value);
  return key;
}

std::string key_u64_u64(uint64_t first, uint64_t second) {
  std::string key = key_u64(first);
  append_big(key, second);
  return key;
}

std::string key_u64_u32(uint64_t first, uint32_t second) {
  std::string key = key_u64(first);
  append_big(key, second);
  return key;
}

std::string key_names(uint32_t name_space, DocumentKind kind) {
  std::string key;
  append_big(key, name_space);
  key.push_back(static_cast<char>(kind));
  return key;
}

std::string key_name(uint32_t name_space, DocumentKind kind, std::string_view name) {
  std::string key = key_names(name_space, kind);
  const Digest digest = sha256(name);
  key.append(reinterpret_cast<const char*>(digest.data()), 16);
  return key;
}

std::string key_hash(uint32_t name_space, const Digest& hash) {
  std::string key;
  append_big(key, name_space);
  key.append(reinterpret_cast<const char*>(hash.data()), hash.size());
  return key;
}

uint64_t read_big_u64(std::string_view key, size_t offset) {
  return read_big<uint64_t>(key, offset);
}
uint32_t read_big_u32(std::string_view key, size_t offset) {
  return read_big<uint32_t>(key, offset);
}

uint32_t record_crc(std::string_view key, std::string_view body) {
  return crc32c(as_bytes(body), crc32c(as_bytes(key)));
}

std::string seal(std::string_view key, std::string body) {
  body += encode_u32(record_crc(key, body));
  return body;
}

void seal_in_place(std::string_view key, char* value, size_t size) {
  const std::string crc = encode_u32(record_crc(key, {value, size - kCrcBytes}));
  std::memcpy(value + size - kCrcBytes, crc.data(), kCrcBytes);
}

bool intact(std::string_view key, std::string_view value) {
  if (value.size() < kCrcBytes) return false;
  const std::string_view body = value.substr(0, value.size() - kCrcBytes);
  return decode_u32(value.substr(body.size())) == record_crc(key, body);
}

std::string_view open_record(const char* database, std::string_view key, std::string_view value) {
  if (!intact(key, value)) {
    fail(ErrorKind::corrupt, std::string("record ") + printable_key(key) + " of database " +
                                 database +
                                 " is damaged (checksum); memlong-bank verify lists all");
  }
  return value.substr(0, value.size() - kCrcBytes);
}

std::string printable_key(std::string_view key) {
  const bool text = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F;
  });
  if (text) return std::string(key);
  if (key.size() == 8) return std::to_string(read_big_u64(key, 0));
  if (key.size() == 12) {
    return std::to_string(read_big_u64(key, 0)) + "/" + std::to_string(read_big_u32(key, 8));
  }
  if (key.size() == 16) {
    return std::to_string(read_big_u64(key, 0)) + "/" + std::to_string(read_big_u64(key, 8));
  }
  return to_hex({reinterpret_cast<const uint8_t*>(key.data()), key.size()});
}

std::string encode_u64(uint64_t value) {
  ByteWriter out;
  out.put(value);
  return out.take();
}
uint64_t decode_u64(std::string_view body) { return ByteReader(body).get<uint64_t>(); }

std::string encode_u32(uint32_t value) {
  ByteWriter out;
  out.put(value);
  return out.take();
}
uint32_t decode_u32(std::string_view body) { return ByteReader(body).get<uint32_t>(); }

}  // namespace memlong::membank
