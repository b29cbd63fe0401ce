#include "model/peft.h"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/file.h"
#include "model/safetensors.h"
#include "model/weights.h"
#include "support/temp_folder.h"
#include "support/torch_bytes.h"

namespace memlong::model {
namespace {

namespace fs = std::filesystem;
using test::TempFolder;
using testing::ElementsAre;
using testing::HasSubstr;
using Json = nlohmann::json;
using Named = std::vector<std::pair<std::string, TensorView>>;

constexpr const char* kShape = R"({"model_type": "llama", "hidden_size": 8,
  "intermediate_size": 12, "num_hidden_layers": 3, "num_attention_heads": 2,
  "num_key_value_heads": 1, "vocab_size": 10, "rms_norm_eps": 1e-5, "bos_token_id": 1})";
constexpr const char* kQ = "model.layers.1.self_attn.q_proj";
constexpr const char* kDown = "model.layers.2.mlp.down_proj";
constexpr const char* kNorm = "model.layers.2.input_layernorm.weight";

/// A tensor of numbers that are all different and not round.
Tensor numbers(const Shape& shape, double start) {
  Tensor tensor(shape, DType::f32);
  for (int64_t i = 0; i < shape.elements(); ++i) {
    tensor.data<float>()[i] = static_cast<float>(std::sin(start + 0.7 * static_cast<double>(i)));
  }
  return tensor;
}

template <class T>
Tensor rounded(const Tensor& from) {
  Tensor to(from.shape(), DTypeOf<T>::kValue);
  for (int64_t i = 0; i < from.view().elements(); ++i) to.data<T>()[i] = T(from.data<float>()[i]);
  return to;
}

/// The largest |got - (W + scale B A)|, computed in double.
double error_of_merge(const TensorView& got, const TensorView& w, const Tensor& a, const Tensor& b,
                      double scale) {
  EXPECT_EQ(got.dtype(), DType::f32);
  EXPECT_EQ(got.shape(), w.shape());
  double worst = 0.0;
  for (int64_t o = 0; o < w.dim(0); ++o) {
    for (int64_t i = 0; i < w.dim(1); ++i) {
      double want = static_cast<double>(w.data<float>()[o * w.dim(1) + i]);
      for (int64_t r = 0; r < a.dim(0); ++r) {
        want += scale * static_cast<double>(b.data<float>()[o * a.dim(0) + r]) *
                static_cast<double>(a.data<float>()[r * a.dim(1) + i]);
      }
      const auto value = static_cast<double>(got.data<float>()[o * w.dim(1) + i]);
      worst = std::max(worst, std::abs(value - want));
    }
  }
  return worst;
}

/// A base, and tensors of a LoRA of rank 2 on two layers above memory layer 1.
class Peft : public testing::Test {
 protected:
  PeftAdapter adapter() const {
    return {.rank = 2,
            .alpha = 3.0,
            .base_model = "some/model",
            .lora = {{std::string(kQ) + ".lora_A.weight", qa_},
                     {std::string(kQ) + ".lora_B.weight", qb_},
                     {std::string(kDown) + ".lora_A.weight", da_},
                     {std::string(kDown) + ".lora_B.weight", db_}},
            .full = {{kNorm, norm_}, {"model.norm.weight", last_}}};
  }
  /// A folder with these tensors, as Python would write it, and what `change` makes of its config.
  fs::path folder_of(const Named& tensors, const Json& change = Json::object()) {
    Json json = {{"peft_type", "LORA"}, {"r", 2}, {"lora_alpha", 3}, {"bias", "none"}};
    json.update(change);
    folder_.write("adapter/adapter_config.json", json.dump());
    write_safetensors(folder_.path() / "adapter/adapter_model.safetensors", tensors);
    return folder_.path() / "adapter";
  }
  Named q_lora() const {
    return {{"base_model.model." + std::string(kQ) + ".lora_A.weight", qa_},
            {"base_model.model." + std::string(kQ) + ".lora_B.weight", qb_}};
  }
  WeightStore laid(const fs::path& path) const {
    WeightStore store = WeightStore::random(config_, DType::f32, 1);
    store.overlay_upper(path, config_, 1);
    return store;
  }
  double q_error(const fs::path& path, double scale) const {
    const std::string name = std::string(kQ) + ".weight";
    return error_of_merge(laid(path).get(name), base_.get(name), qa_, qb_, scale);
  }
  /// The message with which the folder is refused; "" when it is not.
  std::string refusal(ErrorKind kind, const fs::path& path) const {
    WeightStore store = WeightStore::random(config_, DType::f32, 1);
    try {
      store.overlay_upper(path, config_, 1);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      EXPECT_THAT(error.what(), testing::Not(HasSubstr("\n")));
      for (const std::string& name : store.names()) {
        const TensorView view = store.get(name);
        EXPECT_EQ(std::memcmp(view.raw(), base_.get(name).raw(), view.bytes()), 0) << name;
      }
      return error.what();
    }
    return "";
  }
  std::string refused_tensors(const Named& tensors) {
    return refusal(ErrorKind::mismatch, folder_of(tensors));
  }
  std::string refused_config(const Json& change) {
    return refusal(ErrorKind::config, folder_of(q_lora(), change));
  }

  TempFolder folder_;
  ModelConfig config_ = parse_config(kShape, "config.json");
  WeightStore base_ = WeightStore::random(config_, DType::f32, 1);
  Tensor qa_ = numbers({2, 8}, 1.0);
  Tensor qb_ = numbers({8, 2}, 2.0);
  Tensor da_ = numbers({2, 12}, 3.0);
  Tensor db_ = numbers({8, 2}, 4.0);
  Tensor norm_ = numbers({8}, 5.0);
  Tensor last_ = numbers({8}, 6.0);
};

TEST_F(Peft, WhatIsWrittenIsRead) {
  const fs::path out = folder_.path() / "out";
  write_peft_adapter(out, adapter());
  const WeightStore store = laid(out);
  const auto error = [&](const char* layer, const Tensor& a, const Tensor& b) {
    const std::string name = std::string(layer) + ".weight";
    return error_of_merge(store.get(name), base_.get(name), a, b, 1.5);
  };
  EXPECT_LT(error(kQ, qa_, qb_), 1e-6);
  EXPECT_LT(error(kDown, da_, db_), 1e-6);
  EXPECT_EQ(std::memcmp(store.get(kNorm).raw(), norm_.data<float>(), 32), 0);
  EXPECT_EQ(std::memcmp(store.get("model.norm.weight").raw(), last_.data<float>(), 32), 0);
  EXPECT_EQ(writer_hash(config_, store, 1), writer_hash(config_, base_, 1));
  for (const std::string& name : base_.names()) {
    if (name == std::string(kQ) + ".weight" || name == std::string(kDown) + ".weight" ||
        name == kNorm || name == "model.norm.weight") {
      continue;
    }
    EXPECT_EQ(std::memcmp(store.get(name).raw(), base_.get(name).raw(), store.get(name).bytes()), 0)
        << name;
  }
}

TEST_F(Peft, TheFolderIsAsPeftExpectsIt) {
  const fs::path out = folder_.path() / "out";
  write_peft_adapter(out, adapter());
  const Json json = Json::parse(read_file(out / "adapter_config.json"));
  EXPECT_EQ(json.at("peft_type"), "LORA");
  EXPECT_EQ(json.at("task_type"), "CAUSAL_LM");
  EXPECT_EQ(json.at("base_model_name_or_path"), "some/model");
  EXPECT_EQ(json.at("inference_mode"), true);
  EXPECT_EQ(json.at("r"), 2);
  EXPECT_TRUE(json.at("lora_alpha").is_number_integer());
  EXPECT_EQ(json.at("lora_alpha"), 3);
  EXPECT_EQ(json.at("bias"), "none");
  EXPECT_EQ(json.at("target_modules"), Json({kQ, kDown}));
  EXPECT_EQ(json.at("modules_to_save"), Json({"model.layers.2.input_layernorm", "model.norm"}));
  const SafetensorsFile file(out / "adapter_model.safetensors");
  const std::string prefix = "base_model.model.";
  EXPECT_THAT(file.names(), ElementsAre(prefix + "model.layers.1.self_attn.q_proj.lora_A.weight",
                                        prefix + "model.layers.1.self_attn.q_proj.lora_B.weight",
                                        prefix + "model.layers.2.input_layernorm.weight",
                                        prefix + "model.layers.2.mlp.down_proj.lora_A.weight",
                                        prefix + "model.layers.2.mlp.down_proj.lora_B.weight",
                                        prefix + "model.norm.weight"));
  PeftAdapter plain = adapter();
  plain.alpha = 0.5;
  plain.full.clear();
  write_peft_adapter(out, plain);
  const Json again = Json::parse(read_file(out / "adapter_config.json"));
  EXPECT_TRUE(again.at("modules_to_save").is_null());
  EXPECT_EQ(again.at("lora_alpha"), 0.5);
}

TEST_F(Peft, AFolderIsReplacedWholeAndOthersAreNot) {
  const fs::path out = folder_.path() / "deep/out";
  fs::create_directories(out);  // an empty one is no obstacle
  write_peft_adapter(out, adapter());
  PeftAdapter other = adapter();
  other.alpha = 1.0;
  write_peft_adapter(out.string() + "/", other);
  EXPECT_LT(q_error(out, 0.5), 1e-6);
  EXPECT_EQ(std::distance(fs::directory_iterator(out.parent_path()), {}), 1);

  folder_.write("deep/out/README.md", "What I trained.");
  write_peft_adapter(out, other);
  EXPECT_EQ(read_file(out / "README.md"), "What I trained.");

  const auto refused = [&](const fs::path& path) -> std::string {
    try {
      write_peft_adapter(path, other);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::io);
      return error.what();
    }
    return "";
  };
  folder_.write("mine/thesis.txt", "x");
  EXPECT_THAT(refused(folder_.path() / "mine"), HasSubstr("it holds thesis.txt"));
  EXPECT_THAT(refused(folder_.path() / "mine/thesis.txt"), HasSubstr("it is a file"));
  EXPECT_THAT(refused(folder_.path() / "mine/thesis.txt/a"), HasSubstr("thesis.txt"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path() / "mine"), {}), 1);
}

TEST_F(Peft, WhatDoesNotFitTogetherIsNotWritten) {
  const fs::path out = folder_.path() / "out";
  const auto refused = [&](auto change) {
    PeftAdapter broken = adapter();
    change(broken);
    EXPECT_THROW(write_peft_adapter(out, broken), Error);
    return !fs::exists(out);
  };
  EXPECT_TRUE(refused([](PeftAdapter& a) { a.lora.pop_back(); }));
  EXPECT_TRUE(refused([](PeftAdapter& a) { a.lora.clear(); }));
  EXPECT_TRUE(refused([](PeftAdapter& a) { a.rank = 3; }));
  EXPECT_TRUE(refused([](PeftAdapter& a) { a.full[0].first = "norm.weight"; }));
  EXPECT_TRUE(refused([](PeftAdapter& a) { a.lora[0].first = "model.norm.weight"; }));
}

TEST_F(Peft, NamesOfOtherVersionsAreRead) {
  const std::string q = kQ;
  EXPECT_LT(q_error(folder_of(q_lora()), 1.5), 1e-6);
  EXPECT_LT(q_error(folder_of({{q + ".lora_A.weight", qa_}, {q + ".lora_B.weight", qb_}}), 1.5),
            1e-6);
  const fs::path old =
      folder_of({{"base_model.model." + q + ".lora_A.default.weight", qa_},
                 {"base_model.model." + q + ".lora_B.default.weight", qb_},
                 {"base_model.model.model.norm.modules_to_save.default.weight", last_}});
  EXPECT_LT(q_error(old, 1.5), 1e-6);
  EXPECT_EQ(std::memcmp(laid(old).get("model.norm.weight").raw(), last_.data<float>(), 32), 0);
  EXPECT_LT(q_error(old / "adapter_model.safetensors", 1.5), 1e-6);
  EXPECT_LT(q_error(old / "adapter_config.json", 1.5), 1e-6);
}

TEST_F(Peft, HalfPrecisionIsWidenedFirst) {
  Named tensors = q_lora();
  const Tensor a = rounded<bf16>(qa_);
  const Tensor b = rounded<f16>(qb_);
  tensors[0].second = a;
  tensors[1].second = b;
  for (int64_t i = 0; i < 16; ++i) {
    qa_.data<float>()[i] = static_cast<float>(a.data<bf16>()[i]);
    qb_.data<float>()[i] = static_cast<float>(b.data<f16>()[i]);
  }
  EXPECT_LT(q_error(folder_of(tensors), 1.5), 1e-6);
}

TEST_F(Peft, ScaleFollowsTheConfig) {
  EXPECT_LT(q_error(folder_of(q_lora(), {{"use_rslora", true}}), 3.0 / std::sqrt(2.0)), 1e-6);
  EXPECT_LT(q_error(folder_of(q_lora(), {{"lora_alpha", nullptr}}), 4.0), 1e-6);
  const auto scale_with = [&](const char* pattern, double scale) {
    const Json alphas = {{pattern, 7}, {"k_proj", 100}};
    return q_error(folder_of(q_lora(), {{"alpha_pattern", alphas}}), scale);
  };
  for (const char* pattern : {"q_proj", "self_attn.q_proj", kQ, "^model.layers.1.self_attn.q_proj",
                              "layers\\.1\\.self_attn\\.q_proj$"}) {
    EXPECT_LT(scale_with(pattern, 3.5), 1e-6) << pattern;
  }
  for (const char* pattern : {"_proj", "^q_proj", "self_attn", "layers.11.self_attn.q_proj",
                              "model\\.layers.2.self_attn.q_proj"}) {
    EXPECT_LT(scale_with(pattern, 1.5), 1e-6) << pattern;
  }
  const Json ranks = {{"q_proj", 2}};
  EXPECT_LT(q_error(folder_of(q_lora(), {{"rank_pattern", ranks}, {"r", 16}}), 1.5), 1e-6);
}

TEST_F(Peft, OtherMethodsAreRefused) {
  EXPECT_THAT(refused_config({{"peft_type", "IA3"}}), HasSubstr("peft_type is 'IA3'; only LORA"));
  EXPECT_THAT(refused_config({{"peft_type", nullptr}}), HasSubstr("peft_type is ''"));
  EXPECT_THAT(refused_config({{"use_dora", true}}), HasSubstr("use_dora asks for DoRA"));
  EXPECT_THAT(refused_config({{"fan_in_fan_out", true}}), HasSubstr("transposed weights"));
  EXPECT_THAT(refused_config({{"bias", "all"}}), HasSubstr("trained biases are not read"));
  EXPECT_THAT(refused_config({{"lora_bias", true}}), HasSubstr("a bias of B"));
  EXPECT_THAT(refused_config({{"layer_replication", {{0, 1}}}}), HasSubstr("replicated layers"));
  EXPECT_THAT(refused_config({{"init_lora_weights", "pissa_niter_4"}}),
              HasSubstr("'pissa_niter_4', which changes the base"));
  EXPECT_EQ(refused_config({{"use_dora", false},
                            {"bias", nullptr},
                            {"layer_replication", nullptr},
                            {"target_parameters", Json::array()},
                            {"init_lora_weights", "gaussian"},
                            {"target_modules", "all-linear"},
                            {"loftq_config", Json::object()}}),
            "");
}

TEST_F(Peft, NumbersThatCannotBeAreRefused) {
  EXPECT_THAT(refused_config({{"r", nullptr}}), HasSubstr("r is missing"));
  EXPECT_THAT(refused_config({{"r", 0}}), HasSubstr("r is 0; it must be from 1 to 65536"));
  EXPECT_THAT(refused_config({{"lora_alpha", "x"}}),
              HasSubstr("lora_alpha is \"x\", not a number"));
  EXPECT_THAT(refused_config({{"alpha_pattern", {{"q_proj|k_proj", 7}}}}),
              HasSubstr("alpha_pattern has the pattern \"q_proj|k_proj\", which is not read"));
  EXPECT_THAT(refused_config({{"alpha_pattern", {{"q_proj", 7}, {kQ, 8}}}}),
              HasSubstr("alpha_pattern says two things of model.layers.1.self_attn.q_proj"));
  EXPECT_THAT(refused_config({{"rank_pattern", {{"q_proj", nullptr}}}}), HasSubstr("has no value"));
  EXPECT_THAT(refused_config({{"rank_pattern", Json::array()}}), HasSubstr("is no object"));
}

TEST_F(Peft, TensorsThatDoNotFitAreRefused) {
  const std::string prefix = "base_model.model.";
  const auto lora = [&](const std::string& layer, const Tensor& a, const Tensor& b) {
    return Named{{prefix + layer + ".lora_A.weight", a}, {prefix + layer + ".lora_B.weight", b}};
  };
  EXPECT_THAT(refused_tensors(lora("model.layers.0.self_attn.q_proj", qa_, qb_)),
              HasSubstr("tensor base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight "
                        "belongs to the writer of memory layer 1"));
  EXPECT_THAT(refused_tensors(lora("model.layers.1.self_attn.k_proj", qa_, numbers({4, 2}, 0))),
              HasSubstr("k_proj.lora_A.weight belongs to the writer"));
  Named tensors = q_lora();
  tensors.emplace_back(prefix + "model.layers.1.input_layernorm.weight", norm_);
  EXPECT_THAT(refused_tensors(tensors), HasSubstr("input_layernorm.weight belongs to the writer"));
  EXPECT_THAT(refused_tensors(lora("model.layers.3.self_attn.q_proj", qa_, qb_)),
              HasSubstr("is not in the model"));
  EXPECT_THAT(refused_tensors(lora(kQ, numbers({3, 8}, 0), numbers({8, 3}, 0))),
              HasSubstr("lora_A.weight has rank 3; adapter_config.json says 2"));
  EXPECT_THAT(refused_tensors(lora(kQ, qa_, numbers({8, 3}, 0))),
              HasSubstr("lora_B.weight has rank 3; adapter_config.json says 2"));
  EXPECT_THAT(refused_tensors(lora(kQ, numbers({2, 9}, 0), qb_)),
              HasSubstr("has shape [2, 9]; the model's is [2, 8]"));
  EXPECT_THAT(refused_tensors(lora(kQ, numbers({16}, 0), qb_)), HasSubstr("has shape [16]"));
  EXPECT_THAT(refused_tensors(lora(kQ, Tensor::zeros({2, 8}, DType::i32), qb_)),
              HasSubstr("is not f32, f16 or bf16"));
  EXPECT_THAT(refused_tensors(lora("model.norm", qa_, qb_)), HasSubstr("is no matrix"));
  EXPECT_THAT(refused_tensors({q_lora()[0]}), HasSubstr("has no lora_B beside it"));
  EXPECT_THAT(refused_tensors({q_lora()[1]}), HasSubstr("has no lora_A beside it"));
  EXPECT_THAT(refused_tensors({{prefix + "model.norm.weight", qa_}}),
              HasSubstr("has shape [2, 8]"));
  EXPECT_THAT(refused_tensors({{prefix + kQ + ".lora_magnitude_vector", norm_}}),
              HasSubstr("lora_magnitude_vector is not in the model"));
  tensors = q_lora();
  tensors.emplace_back(std::string(kQ) + ".lora_A.weight", qa_);
  EXPECT_THAT(refused_tensors(tensors), HasSubstr("stands for the same as"));
  const Tensor whole = numbers({8, 8}, 0);
  tensors[2] = {std::string(kQ) + ".weight", whole};
  EXPECT_THAT(refused_tensors(tensors), HasSubstr("change the same"));
  EXPECT_THAT(refused_tensors({}), HasSubstr("has no tensors"));
}

TEST_F(Peft, TorchFilesAreRead) {
  const fs::path path = folder_of(q_lora());
  EXPECT_LT(q_error(path, 1.5), 1e-6);
  fs::remove(path / "adapter_model.safetensors");
  folder_.write("adapter/adapter_model.bin", test::torch_bytes(q_lora()));
  for (const fs::path& place : {path, path / "adapter_model.bin"}) {
    EXPECT_LT(q_error(place, 1.5), 1e-6);
  }
  write_safetensors(path / "adapter_model.safetensors", {});  // wins
  EXPECT_THAT(refusal(ErrorKind::mismatch, path), HasSubstr("has no tensors"));
}

TEST_F(Peft, DamagedFoldersAreRefused) {
  const fs::path path = folder_of(q_lora());
  const std::string config = read_file(path / "adapter_config.json");
  for (const std::string& text : {std::string(), std::string("[]"), std::string("{\"r\": 2"),
                                  config + "x", std::string(R"({"r": 1, "r": 2})")}) {
    folder_.write("adapter/adapter_config.json", text);
    EXPECT_THAT(refusal(ErrorKind::format, path), HasSubstr("adapter_config.json")) << text;
  }
  folder_.write("adapter/adapter_config.json", config);
  const std::string tensors = read_file(path / "adapter_model.safetensors");
  folder_.write("adapter/adapter_model.safetensors", tensors.substr(0, tensors.size() - 4));
  EXPECT_THAT(refusal(ErrorKind::format, path), HasSubstr("adapter_model.safetensors"));
  fs::remove(path / "adapter_model.safetensors");
  EXPECT_THAT(refusal(ErrorKind::format, path), HasSubstr("has no adapter_model.safetensors"));
  folder_.write("adapter/adapter_model.bin", "x");
  EXPECT_THAT(refusal(ErrorKind::format, path), HasSubstr("adapter_model.bin: is no torch file"));
  fs::remove(path / "adapter_config.json");
  folder_.write("adapter/adapter_model.safetensors", tensors);
  EXPECT_THAT(refusal(ErrorKind::format, path), HasSubstr("PEFT"));
}

}  // namespace
}  // namespace memlong::model
