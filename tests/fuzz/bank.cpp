#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "fuzz/target.h"
#include "fuzz/targets.h"
#include "membank/kv_codec.h"
#include "membank/manifest.h"
#include "membank/records.h"

namespace memlong::fuzz {
namespace {

namespace mb = membank;

/// What was read is written as it was; what a record has behind its fields is not looked at.
template <class Decode, class Encode>
void round_trip(std::string_view body, bool same_bytes, const Decode& decode,
                const Encode& encode) {
  const auto value = value_of({ErrorKind::corrupt}, [&] { return decode(body); });
  if (!value) return;
  const std::string once = encode(*value);
  require(once.size() <= body.size(), "a record grew");
  require(!same_bytes || body.starts_with(once), "a record changed");
  require(encode(decode(once)) == once, "a record is not read as it was written");
}

void check_chunk(std::string_view body) {
  const auto info = value_of({ErrorKind::corrupt}, [&] { return mb::decode_chunk(7, body); });
  if (!info) return;
  const auto ids = mb::decode_chunk_tokens(body);
  require(info->tokens >= 0 && ids.size() == static_cast<size_t>(info->tokens),
          "a chunk's number of tokens is not that of its ids");
  require(mb::encode_chunk(*info, ids, mb::chunk_kv_tail(body)) == body, "a chunk changed");
}

void check_vector(std::string_view body) {
  std::vector<float> values(body.size() / 2);
  if (!accepted({ErrorKind::corrupt}, [&] { mb::decode_vector(body, values); })) return;
  const bool finite =
      std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
  const auto again = value_of({ErrorKind::usage}, [&] { return mb::encode_vector(values); });
  require(again.has_value() == finite, "only finite vectors are stored");
  require(!again || *again == body, "a vector changed");
}

/// The body begins with a key and a 0xFF.
void check_checksum(std::string_view body) {
  Input parts(body);
  const std::string_view key = parts.until('\xFF');
  require(key.empty() || !mb::printable_key(key).empty(), "a key without a name");
  accepted({ErrorKind::corrupt}, [&] { (void)mb::read_big_u64(key, 4); });
  accepted({ErrorKind::corrupt}, [&] { (void)mb::open_record("chunks", key, parts.rest()); });
  std::string sealed = mb::seal(key, std::string(parts.rest()));
  require(mb::open_record("chunks", key, sealed) == parts.rest(), "a record does not open");
  sealed[body.size() % sealed.size()] ^= static_cast<char>(1 << (body.size() % 8));
  require(!mb::intact(key, sealed), "a flipped bit was not seen");
}

void check_record(Input input) {
  const int64_t kind = input.within(0, 6);
  const std::string_view body = input.rest();
  if (kind == 0) round_trip(body, true, mb::decode_state, mb::encode_state);
  if (kind == 1) {
    round_trip(
        body, false, [](std::string_view b) { return mb::decode_document(7, b); },
        mb::encode_document);
  }
  if (kind == 2) check_chunk(body);
  if (kind == 3) round_trip(body, true, mb::decode_usage, mb::encode_usage);
  if (kind == 4) round_trip(body, true, mb::decode_turn, mb::encode_turn);
  if (kind == 5) check_vector(body);
  if (kind == 6) check_checksum(body);
}

constexpr DType kTypes[] = {DType::f32, DType::bf16, DType::f16};

std::vector<float> as_floats(std::string_view bytes, DType dtype) {
  std::vector<float> values(bytes.size() / dtype_size(dtype));
  for (size_t i = 0; i < values.size(); ++i) {
    const char* from = bytes.data() + i * dtype_size(dtype);
    if (dtype == DType::f32) std::memcpy(&values[i], from, 4);
    uint16_t bits = 0;
    if (dtype != DType::f32) std::memcpy(&bits, from, 2);
    if (dtype == DType::bf16) values[i] = std::bit_cast<float>(uint32_t{bits} << 16);
    if (dtype == DType::f16) values[i] = static_cast<float>(std::bit_cast<f16>(bits));
  }
  return values;
}

/// Keys and values go from bytes into tensors and back.
void check_kv(Input input) {
  mb::Fingerprint shape;
  shape.kv_heads = static_cast<int32_t>(input.within(1, 4));
  shape.head_dim = static_cast<int32_t>(input.within(1, 9));
  const int64_t tokens = input.within(0, 6);
  shape.kv_dtype = kTypes[input.within(0, 2)];
  const DType held = kTypes[input.within(0, 2)];
  const bool permuted = input.within(0, 1) == 1;
  const size_t size = mb::kv_bytes(shape, tokens);
  const size_t tail_size = std::min<size_t>(size, input.number<uint8_t>());
  std::string bytes(input.take(size));
  bytes.resize(size);

  const int64_t g = shape.kv_heads;
  const Shape lying =
      permuted ? Shape{tokens, g, shape.head_dim} : Shape{g, tokens, shape.head_dim};
  const Tensor k(lying, held);
  const Tensor v(lying, held);
  const TensorView k_view = permuted ? k.view().permute({1, 0, 2}) : k.view();
  const TensorView v_view = permuted ? v.view().permute({1, 0, 2}) : v.view();
  mb::check_kv_views(shape, tokens, k_view, v_view);
  const std::string head = bytes.substr(0, size - tail_size);
  const std::string tail = bytes.substr(size - tail_size);
  mb::decode_kv(head, tail, shape.kv_dtype, k_view, v_view);
  std::vector<char> new_head(head.size());
  std::vector<char> new_tail(tail.size());
  mb::encode_kv(k_view, v_view, shape.kv_dtype, new_head.data(), new_head.size(), new_tail.data(),
                new_tail.size());
  std::string again(new_head.begin(), new_head.end());
  again.append(new_tail.begin(), new_tail.end());
  if (held == shape.kv_dtype) require(again == bytes, "keys and values changed");
  if (held != DType::f32) return;  // a narrower type rounds
  const auto before = as_floats(bytes, shape.kv_dtype);
  const auto after = as_floats(again, shape.kv_dtype);
  for (size_t i = 0; i < before.size(); ++i) {
    require(before[i] == after[i] || (std::isnan(before[i]) && std::isnan(after[i])),
            "a key or value changed in f32");
  }
}

void check_manifest(std::string_view json) {
  const auto print = value_of({ErrorKind::corrupt, ErrorKind::mismatch},
                              [&] { return mb::decode_manifest(json, "b"); });
  if (!print) return;
  const auto written = nlohmann::json::parse(json);
  const auto& said = written["fingerprint"];
  require(written["version"] == mb::kFormatVersion && said["memory_layer"] == print->memory_layer &&
              said["kv_heads"] == print->kv_heads && said["head_dim"] == print->head_dim &&
              said["chunk_tokens"] == print->chunk_tokens &&
              said["embedder_dim"] == print->embedder_dim,
          "a number of the manifest became another one");
  mb::check_fingerprint(*print);
  const mb::Fingerprint again = mb::decode_manifest(mb::encode_manifest(*print), "b");
  require(again == *print && again.digest() == print->digest(), "a manifest changed");
  mb::require_same(again, *print, "b", "itself");
}

}  // namespace

void bank(std::string_view input) {
  Input parts(input);
  const int64_t kind = parts.within(0, 3);
  if (kind <= 1) check_record(parts);
  if (kind == 2) check_kv(parts);
  if (kind == 3) check_manifest(parts.rest());
}

}  // namespace memlong::fuzz
