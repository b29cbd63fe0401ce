#include "membank/manifest.h"

#include <array>
#include <unistd.h>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"

namespace memlong::membank {
namespace {

using Field = std::pair<const char*, std::string>;

std::array<Field, 9> fields(const Fingerprint& f) {
  return {{{"tokenizer", f.tokenizer},
           {"writer", f.writer},
           {"memory_layer", std::to_string(f.memory_layer)},
           {"kv_heads", std::to_string(f.kv_heads)},
           {"head_dim", std::to_string(f.head_dim)},
           {"chunk_tokens", std::to_string(f.chunk_tokens)},
           {"kv_dtype", std::string(dtype_name(f.kv_dtype))},
           {"embedder", f.embedder},
           {"embedder_dim", std::to_string(f.embedder_dim)}}};
}

/// A whole number from `least` on that fits: 4294967297 or 1e300 must not become another one.
int32_t whole(const nlohmann::json& object, const char* key, int32_t least) {
  const nlohmann::json& value = object.at(key);
  const bool big = value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT32_MAX};
  if (!value.is_number_integer() || big || value.get<int64_t>() < least) {
    fail(ErrorKind::corrupt, std::string(key) + " is no whole number from " +
                                 std::to_string(least) + " to " + std::to_string(INT32_MAX));
  }
  return value.get<int32_t>();
}

DType kv_dtype(const std::string& name) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    if (name == dtype_name(dtype)) return dtype;
  }
  fail(ErrorKind::corrupt, "kv_dtype is none of f32, bf16, f16");
}

Fingerprint read_fingerprint(const nlohmann::json& f) {
  Fingerprint fingerprint;
  f.at("tokenizer").get_to(fingerprint.tokenizer);
  f.at("writer").get_to(fingerprint.writer);
  fingerprint.memory_layer = whole(f, "memory_layer", 0);
  fingerprint.kv_heads = whole(f, "kv_heads", 1);
  fingerprint.head_dim = whole(f, "head_dim", 1);
  fingerprint.chunk_tokens = whole(f, "chunk_tokens", 1);
  fingerprint.kv_dtype = kv_dtype(f.at("kv_dtype").get<std::string>());
  f.at("embedder").get_to(fingerprint.embedder);
  fingerprint.embedder_dim = whole(f, "embedder_dim", 1);
  return fingerprint;
}

}  // namespace

std::string Fingerprint::digest() const {
  std::string text;
  for (const auto& [name, value] : fields(*this)) text += std::string(name) + "=" + value + "\n";
  return to_hex(sha256(text));
}

std::string encode_manifest(const Fingerprint& fingerprint) {
  const nlohmann::json json = {{"format", "memlong-bank"},
                               {"version", kFormatVersion},
                               {"byte_order", "little"},
                               {"page_size", ::sysconf(_SC_PAGESIZE)},
                               {"created", now_micros()},
                               {"fingerprint",
                                {{"tokenizer", fingerprint.tokenizer},
                                 {"writer", fingerprint.writer},
                                 {"memory_layer", fingerprint.memory_layer},
                                 {"kv_heads", fingerprint.kv_heads},
                                 {"head_dim", fingerprint.head_dim},
                                 {"chunk_tokens", fingerprint.chunk_tokens},
                                 {"kv_dtype", std::string(dtype_name(fingerprint.kv_dtype))},
                                 {"embedder", fingerprint.embedder},
                                 {"embedder_dim", fingerprint.embedder_dim}}}};
  return json.dump();
}

Fingerprint decode_manifest(std::string_view json, const std::string& bank) {
  try {
    const nlohmann::json manifest = nlohmann::json::parse(json);
    const int version = whole(manifest, "version", 0);
    if (version != kFormatVersion) {
      fail(ErrorKind::mismatch, "bank " + bank + " has format version " + std::to_string(version) +
                                    "; this program reads version " +
                                    std::to_string(kFormatVersion) + ": use a newer memlong");
    }
    return read_fingerprint(manifest.at("fingerprint"));
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::corrupt, "the manifest of bank " + bank + " is damaged: " + error.what());
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt) throw;
    fail(ErrorKind::corrupt, "the manifest of bank " + bank + " is damaged: " + error.what());
  }
}

void check_fingerprint(const Fingerprint& f) {
  const bool shape = f.kv_heads > 0 && f.head_dim > 0 && f.chunk_tokens > 0 && f.embedder_dim > 0;
  if (!shape)
    fail(ErrorKind::usage,
         "a bank needs positive kv_heads, head_dim, chunk_tokens and embedder_dim");
  if (f.kv_dtype != DType::f32 && f.kv_dtype != DType::bf16 && f.kv_dtype != DType::f16) {
    fail(ErrorKind::usage,
         "a bank keeps f32, bf16 or f16, not " + std::string(dtype_name(f.kv_dtype)));
  }
}

void require_same(const Fingerprint& bank, const Fingerprint& wanted, const std::string& bank_name,
                  const std::string& wanted_name) {
  const auto have = fields(bank);
  const auto want = fields(wanted);
  for (size_t i = 0; i < have.size(); ++i) {
    if (have[i].second == want[i].second) continue;
    fail(ErrorKind::mismatch, "bank " + bank_name + " has " + have[i].first + " " + have[i].second +
                                  ", " + wanted_name + " has " + want[i].second +
                                  "; use a bank of its own");
  }
}

}  // namespace memlong::membank
