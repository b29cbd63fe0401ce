#include "model/weights.h"

#include <algorithm>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "model/safetensors.h"
#include "support/paths.h"
#include "support/temp_folder.h"
#include "support/torch_bytes.h"

namespace memlong::model {
namespace {

namespace fs = std::filesystem;
using test::TempFolder;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Named = std::vector<std::pair<std::string, TensorView>>;

constexpr const char* kConfig = R"({"model_type": "llama", "hidden_size": 8,
  "intermediate_size": 12, "num_hidden_layers": 3, "num_attention_heads": 2,
  "num_key_value_heads": 1, "vocab_size": 10, "rms_norm_eps": 1e-5, "bos_token_id": 1})";

ModelConfig small_config() { return parse_config(kConfig, "config.json"); }

Named all_of(const WeightStore& store) {
  Named tensors;
  for (const std::string& name : store.names()) tensors.emplace_back(name, store.get(name));
  return tensors;
}

/// Runs `action` and gives its error's message; "" when there was none.
template <class Action>
std::string error_of(ErrorKind kind, const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_THAT(error.what(), Not(HasSubstr("\n")));
    return error.what();
  }
  return "";
}

class Weights : public testing::Test {
 protected:
  Weights() {
    folder_.write("config.json", kConfig);
    write_safetensors(folder_.path() / "model.safetensors", all_of(random_));
  }
  /// Writes an adapter of some of another random model's tensors.
  fs::path adapter(const std::vector<std::string>& names) {
    Named tensors;
    for (const std::string& name : names) tensors.emplace_back(name, other_.get(name));
    write_safetensors(folder_.path() / "upper.safetensors", tensors);
    return folder_.path() / "upper.safetensors";
  }

  TempFolder folder_;
  ModelConfig config_ = small_config();
  WeightStore random_ = WeightStore::random(config_, DType::f32, 1);
  WeightStore other_ = WeightStore::random(config_, DType::bf16, 2);
};

TEST_F(Weights, ShapesFollowTheConfig) {
  std::map<std::string, Shape> shapes;
  for (const auto& [name, shape] : tensor_shapes(config_)) shapes[name] = shape;
  EXPECT_EQ(shapes.size(), 3 + 3 * 9U);
  EXPECT_EQ(shapes.at("model.embed_tokens.weight"), (Shape{10, 8}));
  EXPECT_EQ(shapes.at("model.layers.2.self_attn.k_proj.weight"), (Shape{4, 8}));
  EXPECT_EQ(shapes.at("model.layers.0.mlp.down_proj.weight"), (Shape{8, 12}));
  EXPECT_EQ(shapes.at("lm_head.weight"), (Shape{10, 8}));
  config_.tied_head = true;
  config_.qkv_bias = true;
  shapes.clear();
  for (const auto& [name, shape] : tensor_shapes(config_)) shapes[name] = shape;
  EXPECT_EQ(shapes.size(), 2 + 3 * 12U);
  EXPECT_EQ(shapes.at("model.layers.1.self_attn.q_proj.bias"), (Shape{8}));
}

TEST_F(Weights, RandomWeightsLookAsTheyShould) {
  config_.vocab = 2000;
  const WeightStore store = WeightStore::random(config_, DType::bf16, 7);
  EXPECT_EQ(static_cast<float>(store.get("model.norm.weight").data<bf16>()[3]), 1.0F);
  const TensorView view = store.get("model.embed_tokens.weight");
  double square = 0;
  for (int64_t i = 0; i < view.elements(); ++i) {
    const auto value = static_cast<double>(static_cast<float>(view.data<bf16>()[i]));
    square += value * value;
  }
  EXPECT_NEAR(std::sqrt(square / static_cast<double>(view.elements())), 0.02, 0.001);
  const WeightStore again = WeightStore::random(config_, DType::bf16, 7);
  const WeightStore differs = WeightStore::random(config_, DType::bf16, 8);
  const auto same = [&](const WeightStore& a) {
    return std::memcmp(a.get("lm_head.weight").raw(), store.get("lm_head.weight").raw(), 512) == 0;
  };
  EXPECT_TRUE(same(again));
  EXPECT_FALSE(same(differs));
}

TEST_F(Weights, AFolderIsRead) {
  const WeightStore store = WeightStore::open(folder_.path());
  EXPECT_EQ(store.names(), random_.names());
  EXPECT_EQ(std::memcmp(store.get("lm_head.weight", {10, 8}).raw(),
                        random_.get("lm_head.weight").raw(), 320),
            0);
  EXPECT_THAT(error_of(ErrorKind::format, [&] { (void)store.get("nothing"); }),
              HasSubstr("tensor nothing is missing"));
  EXPECT_THAT(error_of(ErrorKind::format,
                       [&] {
                         (void)store.get("lm_head.weight", {8, 10});
                       }),
              HasSubstr("has shape [10, 8]; config.json asks for [8, 10]"));
}

TEST_F(Weights, ShardsAreRead) {
  const TempFolder sharded;
  const Named tensors = all_of(random_);
  write_safetensors(sharded.path() / "a.safetensors", {tensors.begin(), tensors.begin() + 5});
  write_safetensors(sharded.path() / "b.safetensors", {tensors.begin() + 5, tensors.end()});
  std::string map;
  for (size_t i = 0; i < tensors.size(); ++i) {
    map += std::string(i > 0 ? "," : "") + "\"" + tensors[i].first + "\":\"" + (i < 5 ? "a" : "b") +
           ".safetensors\"";
  }
  const std::string index = "model.safetensors.index.json";
  sharded.write("config.json", kConfig);
  sharded.write(index, R"({"metadata":{"total_size":1},"weight_map":{)" + map + "}}");
  EXPECT_EQ(WeightStore::open(sharded.path()).names(), random_.names());

  const auto open = [&] { WeightStore::open(sharded.path()); };
  sharded.write(index, R"({"weight_map":{"x":"a.safetensors"}})");
  EXPECT_THAT(error_of(ErrorKind::format, open), HasSubstr("tensor x is not in a.safetensors"));
  sharded.write(index, R"({"weight_map":{"x":"../a.safetensors"}})");
  EXPECT_THAT(error_of(ErrorKind::format, open), HasSubstr("no plain file name"));
  sharded.write(index, R"({"weight_map":{"x":"c.safetensors"}})");
  EXPECT_THAT(error_of(ErrorKind::io, open), HasSubstr("c.safetensors"));
  sharded.write(index, R"({})");
  EXPECT_THAT(error_of(ErrorKind::format, open), HasSubstr("no weight_map"));
}

TEST_F(Weights, TorchFilesAreRead) {
  const TempFolder torch;
  torch.write("config.json", kConfig);
  torch.write("pytorch_model.bin", test::torch_bytes(all_of(random_)));
  const WeightStore store = WeightStore::open(torch.path());
  EXPECT_EQ(store.names(), random_.names());
  EXPECT_EQ(writer_hash(config_, store, 1), writer_hash(config_, random_, 1));
  // Safetensors win.
  write_safetensors(torch.path() / "model.safetensors", all_of(other_));
  EXPECT_EQ(WeightStore::open(torch.path()).get("model.norm.weight").dtype(), DType::bf16);
}

TEST_F(Weights, TorchShardsAreRead) {
  const TempFolder torch;
  const Named tensors = all_of(random_);
  torch.write("pytorch_model-1.bin", test::torch_bytes({tensors.begin(), tensors.begin() + 5}));
  torch.write("pytorch_model-2.bin", test::torch_bytes({tensors.begin() + 5, tensors.end()}));
  std::string map;
  for (size_t i = 0; i < tensors.size(); ++i) {
    map += std::string(i > 0 ? "," : "") + "\"" + tensors[i].first + "\":\"pytorch_model-" +
           (i < 5 ? "1" : "2") + ".bin\"";
  }
  const std::string index = "pytorch_model.bin.index.json";
  torch.write("config.json", kConfig);
  torch.write(index, R"({"metadata":{},"weight_map":{)" + map + "}}");
  const WeightStore store = WeightStore::open(torch.path());
  EXPECT_EQ(writer_hash(config_, store, 2), writer_hash(config_, random_, 2));

  const auto open = [&] { WeightStore::open(torch.path()); };
  torch.write(index, R"({"weight_map":{"x":"pytorch_model-1.bin"}})");
  EXPECT_THAT(error_of(ErrorKind::format, open), HasSubstr("x is not in pytorch_model-1.bin"));
  torch.write("pytorch_model-1.bin", "x");
  EXPECT_THAT(error_of(ErrorKind::format, open), HasSubstr("pytorch_model-1.bin: is no torch"));
}

TEST_F(Weights, FoldersWithoutWeightsSaySo) {
  const TempFolder empty;
  EXPECT_THAT(error_of(ErrorKind::format, [&] { WeightStore::open(empty.path()); }),
              HasSubstr("no model.safetensors and no pytorch_model.bin"));
  EXPECT_THAT(error_of(ErrorKind::io, [&] { WeightStore::open(empty.path() / "no"); }),
              HasSubstr("does not exist"));
}

TEST_F(Weights, TheConfigDecidesWhatMustBeThere) {
  const auto open = [&] { WeightStore::open(folder_.path()); };
  const auto write_without = [&](const std::string& name, const Named& more) {
    Named tensors = all_of(random_);
    std::erase_if(tensors, [&](const auto& item) { return item.first == name; });
    tensors.insert(tensors.end(), more.begin(), more.end());
    write_safetensors(folder_.path() / "model.safetensors", tensors);
  };
  const std::string name = "model.layers.1.mlp.up_proj.weight";
  write_without(name, {});
  EXPECT_THAT(error_of(ErrorKind::format, open), HasSubstr("tensor " + name + " is missing"));
  write_without(name, {{name, Tensor::zeros({8, 12}, DType::f32)}});
  EXPECT_THAT(error_of(ErrorKind::format, open), HasSubstr("config.json asks for [12, 8]"));
  write_without(name, {{name, Tensor::zeros({12, 8}, DType::i32)}});
  EXPECT_THAT(error_of(ErrorKind::format, open), HasSubstr("not f32, f16 or bf16"));
  write_without("", {{"model.layers.0.self_attn.q_proj.bias", Tensor::zeros({8}, DType::f32)}});
  EXPECT_THAT(error_of(ErrorKind::format, open), HasSubstr("does not speak of"));
  write_without("", {{"model.layers.0.self_attn.rotary_emb.inv_freq", Tensor({4}, DType::f32)}});
  EXPECT_EQ(error_of(ErrorKind::format, open), "");
}

TEST_F(Weights, WriterNames) {
  const std::vector<std::string> names = writer_tensor_names(random_, 1);
  EXPECT_EQ(names.size(), 1 + 9 + 3U);
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_THAT(names, Contains("model.layers.0.mlp.down_proj.weight"));
  EXPECT_THAT(names, Contains("model.layers.1.self_attn.k_proj.weight"));
  EXPECT_THAT(names, Not(Contains("model.layers.1.self_attn.q_proj.weight")));
  EXPECT_THAT(writer_tensor_names(random_, 0),
              ElementsAre("model.embed_tokens.weight", "model.layers.0.input_layernorm.weight",
                          "model.layers.0.self_attn.k_proj.weight",
                          "model.layers.0.self_attn.v_proj.weight"));
}

TEST_F(Weights, AnAdapterReplacesUpperTensors) {
  WeightStore store = WeightStore::open(folder_.path());
  const Digest before = writer_hash(config_, store, 1);
  store.overlay_upper(adapter({"model.norm.weight", "model.layers.1.self_attn.q_proj.weight",
                               "model.layers.2.self_attn.k_proj.weight"}),
                      config_, 1);
  const std::string name = "model.layers.2.self_attn.k_proj.weight";
  EXPECT_EQ(store.get(name).dtype(), DType::bf16);
  EXPECT_EQ(std::memcmp(store.get(name).raw(), other_.get(name).raw(), 64), 0);
  EXPECT_EQ(store.get("lm_head.weight").dtype(), DType::f32);
  EXPECT_EQ(writer_hash(config_, store, 1), before);
}

TEST_F(Weights, AnAdapterIsFoundInAFolder) {
  WeightStore store = WeightStore::open(folder_.path());
  const TempFolder adapters;
  const auto lay = [&] { store.overlay_upper(adapters.path(), config_, 1); };
  EXPECT_THAT(error_of(ErrorKind::io, lay), HasSubstr("has no adapter.safetensors"));
  adapters.write("adapter_model.safetensors", "x");
  EXPECT_THAT(error_of(ErrorKind::format, lay), HasSubstr("PEFT"));
  fs::copy(adapter({"model.norm.weight"}), adapters.path() / "upper_layers.safetensors");
  EXPECT_EQ(error_of(ErrorKind::io, lay), "");
  EXPECT_EQ(store.get("model.norm.weight").dtype(), DType::bf16);
}

TEST_F(Weights, AnAdapterMayBeATorchFile) {
  const TempFolder adapters;
  const std::string name = "model.norm.weight";
  const fs::path path =
      adapters.write("pytorch_model.bin", test::torch_bytes({{name, other_.get(name)}}));
  for (const fs::path& place : {path, adapters.path()}) {
    WeightStore store = WeightStore::open(folder_.path());
    store.overlay_upper(place, config_, 1);
    EXPECT_EQ(store.get(name).dtype(), DType::bf16);
  }
}

TEST_F(Weights, AdaptersThatDoNotFitAreRefusedWhole) {
  WeightStore store = WeightStore::open(folder_.path());
  const auto lay = [&](const fs::path& path) {
    return error_of(ErrorKind::mismatch, [&] { store.overlay_upper(path, config_, 1); });
  };
  for (const char* name :
       {"model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight",
        "model.layers.1.input_layernorm.weight", "model.layers.1.self_attn.v_proj.weight"}) {
    EXPECT_THAT(lay(adapter({"model.norm.weight", name})),
                HasSubstr("tensor " + std::string(name) + " belongs to the writer"));
  }
  const fs::path path = folder_.path() / "bad.safetensors";
  write_safetensors(path, {{"model.norm.weight", Tensor::zeros({9}, DType::f32)}});
  EXPECT_THAT(lay(path), HasSubstr("has shape [9]; the model's is [8]"));
  write_safetensors(path, {{"model.norm.bias", Tensor::zeros({8}, DType::f32)}});
  EXPECT_THAT(lay(path), HasSubstr("model.norm.bias is not in the model"));
  write_safetensors(path, {});
  EXPECT_THAT(lay(path), HasSubstr("has no tensors"));
  EXPECT_EQ(store.get("model.norm.weight").dtype(), DType::f32);
}

TEST_F(Weights, TheWritersHashChangesWithTheWriterOnly) {
  const Digest base = writer_hash(config_, random_, 1);
  EXPECT_EQ(writer_hash(config_, WeightStore::open(folder_.path()), 1), base);
  EXPECT_NE(writer_hash(config_, random_, 2), base);
  EXPECT_NE(writer_hash(config_, WeightStore::random(config_, DType::f32, 2), 1), base);
  const auto with = [&](auto change) {
    ModelConfig other = config_;
    change(other);
    return writer_hash(other, random_, 1);
  };
  EXPECT_NE(with([](ModelConfig& c) { c.rms_eps = 1e-6F; }), base);
  EXPECT_NE(with([](ModelConfig& c) { c.rope.theta = 1e6; }), base);
  EXPECT_NE(with([](ModelConfig& c) { c.rope.scaling = ops::RopeScaling::linear; }), base);
  EXPECT_NE(with([](ModelConfig& c) { c.heads = 4; }), base);
  EXPECT_EQ(with([](ModelConfig& c) { c.rope.beta_fast = 3; }), base);  // only yarn reads it
  EXPECT_EQ(with([](ModelConfig& c) { c.tied_head = true; }), base);
  EXPECT_EQ(with([](ModelConfig& c) { c.eos = {9}; }), base);
}

TEST_F(Weights, TheWritersHashSeesEveryTensorOfIt) {
  const Digest base = writer_hash(config_, random_, 1);
  const std::vector<std::string> writer = writer_tensor_names(random_, 1);
  for (const std::string& name : random_.names()) {
    auto* byte = static_cast<uint8_t*>(random_.get(name).raw());
    byte[0] ^= 1U;
    const bool changed = writer_hash(config_, random_, 1) != base;
    byte[0] ^= 1U;
    EXPECT_EQ(changed, std::binary_search(writer.begin(), writer.end(), name)) << name;
  }
}

TEST(ReferenceModel, LoadsWithItsAdapter) {
  const fs::path folder = fs::path(test::source_dir()) / "models/reference";
  const ModelConfig config = load_config(folder);
  WeightStore store = WeightStore::open(folder);
  const TensorView before = store.get("model.layers.7.mlp.up_proj.weight");
  store.overlay_upper(folder / "adapter", config, 4);
  EXPECT_NE(store.get("model.layers.7.mlp.up_proj.weight").raw(), before.raw());
}

}  // namespace
}  // namespace memlong::model
