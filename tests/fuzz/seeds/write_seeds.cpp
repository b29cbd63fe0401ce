// Writes the seeds that are no text: fuzz_seeds tests/fuzz/corpus. The same bytes every time.
#include <array>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>

#include "common/file.h"
#include "fuzz/tiny_model.h"
#include "membank/manifest.h"
#include "membank/records.h"
#include "model/safetensors.h"
#include "retriever/index.h"
#include "support/torch_bytes.h"

namespace memlong::fuzz {
namespace {

namespace fs = std::filesystem;
namespace mb = membank;

void put(const fs::path& file, const std::string& content) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << content;
}

void write_safetensors(const fs::path& folder) {
  fs::create_directories(folder);
  std::array<float, 6> floats = {1, 2, 3, 4, 5, 6};
  std::array<uint8_t, 3> bytes = {1, 2, 3};
  const TensorView matrix(floats.data(), DType::f32, {2, 3});
  const TensorView half(floats.data(), DType::bf16, {2, 1, 2, 3});
  const TensorView list(bytes.data(), DType::u8, {3});
  model::write_safetensors(folder / "three", {{"m", matrix}, {"h", half}, {"b", list}},
                           {{"format", "pt"}});
  model::write_safetensors(folder / "none", {});
}

/// Archives, and pickles without one: the target puts it around them.
void write_torch_file(const fs::path& folder) {
  std::array<float, 6> floats = {1, 2, 3, 4, 5, 6};
  const TensorView matrix(floats.data(), DType::f32, {2, 3});
  const TensorView half(floats.data(), DType::f16, {12});
  put(folder / "two", test::torch_bytes({{"m", matrix}, {"h", half}}));
  put(folder / "none", test::torch_bytes(std::vector<std::pair<std::string, TensorView>>()));
  put(folder / "wide", test::zip_bytes({{"archive/data.pkl", test::state_dict_pickle({})}}, true));
  const test::TorchDescription rows{.elements = 16, .offset = 4, .dims = {2, 3}, .strides = {4, 1}};
  const test::TorchDescription empty{
      .storage_class = "HalfStorage", .key = "1", .dims = {0, 4}, .strides = {4, 1}};
  const test::TorchDescription scalar{.storage_class = "LongStorage", .key = "1", .elements = 8};
  put(folder / "tensors.pickle",
      test::state_dict_pickle({{"rows", rows}, {"empty", empty}, {"scalar", scalar}}));
  test::PickleBytes parameter;
  parameter.proto().op(model::Opcode::empty_dict).text("p");
  parameter.global("torch._utils", "_rebuild_parameter");
  test::put_tensor(parameter, scalar).op(model::Opcode::newtrue).ordered_dict();
  parameter.op(model::Opcode::tuple3).op(model::Opcode::reduce).op(model::Opcode::setitem);
  parameter.op(model::Opcode::empty_dict).op(model::Opcode::build).op(model::Opcode::stop);
  put(folder / "parameter.pickle", parameter.bytes());
  test::PickleBytes memo;
  memo.proto().raw("}q\1(X").raw(test::le(1)).raw("ah\1j").raw(test::le(1)).raw("M\1\2u.");
  put(folder / "cycle.pickle", memo.bytes());
  test::PickleBytes system;
  system.proto().global("os", "system").text("id").op(model::Opcode::tuple1);
  put(folder / "system.pickle", system.op(model::Opcode::reduce).op(model::Opcode::stop).bytes());
}

/// Records: a choice of the target, a choice of the record, the body.
std::string record(int kind, const std::string& body) {
  return std::string({'\0', static_cast<char>(kind)}) + body;
}

void write_bank(const fs::path& folder) {
  mb::State state{.generation = 9, .last_document = 3, .last_chunk = 5, .documents = 3};
  put(folder / "state", record(0, mb::encode_state(state)));
  mb::Document document;
  document.name = "emma.txt";
  document.kind = mb::DocumentKind::dialog;
  document.tail = {1, 2, 3};
  document.settings = "memlong";
  put(folder / "document", record(1, mb::encode_document(document)));
  const std::array<int32_t, 4> ids = {5, 6, 7, 8};
  put(folder / "chunk",
      record(2, mb::encode_chunk({.document = 3, .begin = 64}, ids, "twenty bytes of tail")));
  put(folder / "usage", record(3, mb::encode_usage({.hits = 4, .last_hit = 5})));
  put(folder / "turn",
      record(4, mb::encode_turn({.role = "user", .content = "Hello.", .begin = 1, .end = 5})));
  const std::array<float, 3> vector = {0.5F, -1.0F, 65504.0F};
  put(folder / "vector", record(5, mb::encode_vector(vector)));
  const std::string key = mb::key_u64_u32(3, 64);
  put(folder / "sealed", record(6, key + "\xFF" + mb::seal(key, "body")));
  put(folder / "sealed-name", record(6, mb::key_name(1, mb::DocumentKind::text, "a") + "\xFF"));
  const std::string numbers = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  put(folder / "kv-same", std::string("\x02\x01\x03\x02\x01\x01\x01\x05", 8) + numbers);
  put(folder / "kv-wider", std::string("\x02\x01\x04\x03\x01\x00\x00\x14", 8) + numbers);
  put(folder / "kv-narrower", std::string("\x02\x00\x02\x04\x00\x02\x01\xFF", 8) + numbers);
}

void write_manifest(const fs::path& folder) {
  put(folder / "manifest",
      "\x03{\"format\": \"memlong-bank\", \"version\": 1, \"fingerprint\": {\"tokenizer\": \"aa\", "
      "\"writer\": \"bb\", \"memory_layer\": 2, \"kv_heads\": 2, \"head_dim\": 32, "
      "\"chunk_tokens\": 64, \"kv_dtype\": \"bf16\", \"embedder\": \"sif\", \"embedder_dim\": "
      "256}}");
}

/// Without its checksum.
void write_index(const fs::path& file, retriever::IndexKind kind, int64_t rows) {
  const auto index = retriever::make_index(4, {.kind = kind,
                                               .hnsw_links = 4,
                                               .hnsw_ef_construction = 8,
                                               .hnsw_ef_search = 8,
                                               .threads = 1});
  for (int64_t i = 1; i <= rows; ++i) {
    const auto x = static_cast<float>(i % 7);
    const auto y = static_cast<float>(i % 5);
    const std::array<uint64_t, 1> id = {static_cast<uint64_t>(i * 2)};
    const std::array<float, 4> vector = {x, y, x - y, 1.0F};
    index->add(id, vector);
  }
  const std::array<uint64_t, 1> gone = {4};
  if (rows > 4) index->remove(gone);
  fs::create_directories(file.parent_path());
  index->save(file, 7, "k");
  std::string content = read_file(file);
  content.resize(content.size() - 4);
  put(file, content);
}

void write_all(const fs::path& root) {
  write_safetensors(root / "safetensors");
  write_torch_file(root / "torch_file");
  write_bank(root / "bank");
  write_manifest(root / "bank");
  for (const int64_t rows : {0, 3, 40}) {
    const std::string size = std::to_string(rows);
    write_index(root / "snapshot" / ("flat-" + size), retriever::IndexKind::flat, rows);
    write_index(root / "snapshot" / ("hnsw-" + size), retriever::IndexKind::hnsw, rows);
  }
  put(root / "tokenizer_model/unigram", tiny_model(1, false));
  put(root / "tokenizer_model/unigram-bytes", tiny_model(1, true));
  put(root / "tokenizer_model/bpe", tiny_model(2, false));
  put(root / "tokenizer_model/bpe-bytes", tiny_model(2, true));
}

}  // namespace
}  // namespace memlong::fuzz

int main(int argc, char** argv) {
  try {
    if (argc != 2) throw std::runtime_error("usage: fuzz_seeds FOLDER");
    memlong::fuzz::write_all(argv[1]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
