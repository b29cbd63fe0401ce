// Model folders that are broken, absurd or put together wrongly, as memlong-chat meets them.
#include <cstring>

#include <gtest/gtest.h>

#include "support/paths.h"
#include "tools/doctored_model.h"
#include "tools/refusal.h"

namespace memlong::tools_test {
namespace {

using nlohmann::json;

constexpr const char* kWeights = "model.safetensors";
constexpr const char* kTensor = "model.layers.0.mlp.up_proj.weight";

class BadModel : public testing::Test {
 protected:
  void SetUp() override {
    if (!tool_exists("memlong-chat")) GTEST_SKIP() << "memlong-chat is not built";
  }

  void refused(const std::string& model, const std::string& says, int code = 1,
               const std::vector<std::string>& more = {}) const {
    std::vector<std::string> args = {"--model", model, "--prompt", "Hi", "-n", "1", "--quiet"};
    args.insert(args.end(), more.begin(), more.end());
    expect_refused("memlong-chat", args, code, says);
  }
  /// With one file in place of the reference model's.
  void refused(const std::string& file, const std::optional<std::string>& content,
               const std::string& says, int code = 1) const {
    SCOPED_TRACE(file + ": " + says);
    refused(doctored_model(folder_, {{file, content}}), says, code);
  }

  TempFolder folder_;
};

std::string with_length(std::string bytes, uint64_t length) {
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes;
}

/// Lists inside each other.
std::string deep(int levels) {
  return std::string(static_cast<size_t>(levels), '[') +
         std::string(static_cast<size_t>(levels), ']');
}

TEST_F(BadModel, Missing) {
  refused("/nonexistent", "--model: /nonexistent: No such file", 2);
  refused(reference_model() + "/config.json", "Not a directory");
  refused(kWeights, std::nullopt, "has no model.safetensors");
  refused("config.json", std::nullopt, "config.json: No such file");
  refused("tokenizer.model", std::nullopt, "has no tokenizer.model");
}

TEST_F(BadModel, SafetensorsThatAreCutOrNone) {
  const std::string whole = slurp(reference_model() + "/" + kWeights);
  refused(kWeights, "", "too short for a safetensors file");
  refused(kWeights, "1234567", "too short for a safetensors file");
  refused(kWeights, whole.substr(0, 1000), "does not fit a file of 1000 bytes");
  refused(kWeights, whole.substr(0, whole.size() / 2), "cut short");
  refused(kWeights, whole + "more", "4 bytes of data belong to no tensor");
  refused(kWeights, with_length(whole, whole.size()), "does not fit a file of");
  refused(kWeights, with_length(whole, ~uint64_t{0}), "header length 18446744073709551615");
  refused(kWeights, std::string(5000, '\0'), "header is not a JSON object");
  refused(kWeights, "just some text that is no model", "no safetensors");
}

TEST_F(BadModel, SafetensorsThatLie) {
  const TensorFile file = TensorFile::read(reference_model() + "/" + kWeights);
  const auto changed = [&](const auto& change, const std::string& says) {
    TensorFile bad = file;
    change(bad.header);
    refused(kWeights, bad.bytes(), says);
  };
  changed([](json& h) { h[kTensor]["dtype"] = "U8"; }, "bytes where dtype and shape need");
  changed([](json& h) { h[kTensor]["dtype"] = "I16"; }, "is I16 of rank 2, which is not supported");
  changed([](json& h) { h[kTensor]["dtype"] = "Q4\x1b[2J"; }, "unknown dtype \"Q4\\x1b[2J\"");
  changed([](json& h) { h[kTensor]["shape"] = {256, 704}; }, "config.json asks for [704, 256]");
  changed([](json& h) { h[kTensor]["shape"] = {-704, -256}; }, "shape is not a list");
  changed([](json& h) { h[kTensor]["data_offsets"] = {0, uint64_t{1} << 62}; }, "lie outside");
  changed([](json& h) { h[kTensor]["data_offsets"] = h["model.norm.weight"]["data_offsets"]; },
          "bytes where dtype and shape need");
  changed(
      [](json& h) {
        h["a"] = {{"dtype", "U8"}, {"shape", {8}}, {"data_offsets", {4, 12}}};
      },
      "overlaps");
  changed([](json& h) { h.erase(kTensor); }, "leaves a hole");
  changed(
      [](json& h) {
        h["renamed"] = h[kTensor];
        h.erase(kTensor);
      },
      std::string("tensor ") + kTensor + " is missing");
  const std::string text = file.header.dump();
  const std::string twice =
      text.substr(0, text.size() - 1) + ",\"" + kTensor + "\":" + file.header[kTensor].dump() + "}";
  refused(kWeights, TensorFile::bytes(twice, file.data), "stands in it twice");
  refused(kWeights, TensorFile::bytes("{\"a\":" + deep(100000) + "}", ""), "deep in each other");
}

TEST_F(BadModel, ConfigsThatAreNone) {
  refused("config.json", "", "config.json is not valid JSON");
  refused("config.json", std::string("\0\1\2", 3), "config.json is not valid JSON");
  refused("config.json", "[1]", "is not a JSON object");
  refused("config.json", config_with({}).substr(0, 60), "is not valid JSON (at byte 61)");
  refused("config.json", replaced(config_with({}), "silu", "s\xff"), "is not valid JSON");
  refused("config.json", "{\"hidden_size\": " + deep(100000) + "}", "deep in each other");
  refused("generation_config.json", "{\"eos_token_id\": \"x\"}", "eos_token_id is \"x\"");
}

TEST_F(BadModel, ConfigsThatAreAbsurd) {
  const auto with = [&](const json& fields, const std::string& says) {
    refused("config.json", config_with(fields), says);
  };
  with({{"num_attention_heads", 0}}, "num_attention_heads is 0; it must be from 1");
  with({{"num_key_value_heads", 3}}, "it must divide num_attention_heads");
  with({{"hidden_size", -256}}, "hidden_size is -256");
  with({{"vocab_size", -1}}, "vocab_size is -1");
  with({{"num_hidden_layers", 1000000000000}}, "num_hidden_layers is 1000000000000");
  with({{"num_hidden_layers", 9}}, "tensor model.layers.8.input_layernorm.weight is missing");
  with({{"intermediate_size", 700}}, "config.json asks for [700, 256]");
  with({{"head_dim", 63}}, "head_dim is 63");
  with({{"rms_norm_eps", "small"}}, "rms_norm_eps is \"small\", not a number");
  with({{"rms_norm_eps", 0}}, "rms_norm_eps is 0");
  with({{"rope_theta", -1}}, "rope_theta is -1");
  with({{"rope_scaling", {{"type", "linear"}, {"factor", 1e300}}}}, "factor is 1e+300");
  with({{"architectures", {"GPT2LMHeadModel"}}}, "architectures is \"GPT2LMHeadModel\"");
  with({{"tie_word_embeddings", false}}, "lm_head.weight is missing");
  const std::string eps = config_with({{"rms_norm_eps", "@"}});
  refused("config.json", replaced(eps, "\"@\"", "NaN"), "is not valid JSON");
  refused("config.json", replaced(eps, "\"@\"", "1e999"), "a number is out of range");
}

TEST_F(BadModel, TokenizersOfOtherModels) {
  const std::string whole = slurp(reference_model() + "/tokenizer.model");
  const std::string config = slurp(reference_model() + "/tokenizer_config.json");
  refused("tokenizer.model", "", "it is no sentencepiece model");
  refused("tokenizer.model", whole.substr(0, 30000), "is not a sentencepiece model, or is damaged");
  refused("tokenizer.model", "some text\n", "is not a sentencepiece model, or is damaged");
  const auto piece = [](int i) {  // a normal piece of five bytes
    return std::string("\x0a\x0e\x0a\x05zq") + std::to_string(100 + i) +
           std::string("\x15\0\0\0\0\x18\x01", 7);
  };
  std::string larger = whole;
  for (int i = 0; i < 3; ++i) larger += piece(i);
  refused("tokenizer.model", larger, "the tokenizer has 4099 tokens, the model only 4096");
  std::string smaller = std::string("\x0a\x09\x0a\x05<unk>\x18\x02", 11) +
                        std::string("\x0a\x07\x0a\x03<s>\x18\x03", 9) +
                        std::string("\x0a\x08\x0a\x04</s>\x18\x03", 10);
  for (int i = 0; i < 800; ++i) smaller += piece(i);
  const std::string plain = R"({"bos_token": "<s>", "eos_token": "</s>"})";
  refused(doctored_model(folder_, {{"tokenizer.model", smaller}, {"tokenizer_config.json", plain}}),
          "the tokenizer has 803 tokens, the model 4096; they do not belong together");
  refused("tokenizer_config.json", "{", "is not a JSON object");
  refused("tokenizer_config.json", "{\"chat_template\": [{\"name\": " + deep(100000) + "}]}",
          "deep in each other");
  refused("tokenizer_config.json", replaced(config, "\"<s>\"", "\"<none>\""),
          "has no special token \"<none>\"");
  refused("tokenizer_config.json", R"({"added_tokens_decoder": {"99999999999": {"content": "x"}}})",
          "impossible id");
}

TEST_F(BadModel, MemorySettingsAndWhatBelongsToThem) {
  const std::string toml = slurp(reference_model() + "/memlong.toml");
  refused("memlong.toml", "[memory", "memlong.toml: line 1");
  refused("memlong.toml", toml + "colour = 1\n", "unknown key, colour");
  refused("memlong.toml", replaced(toml, "layer = 4", "layer = 99"), "the model has layers 0 to 7");
  refused("memlong.toml", replaced(toml, "chunk = 64", "chunk = -64"), "chunk is -64");
  refused("memlong.toml", replaced(toml, "chunk = 64", "chunk = 99999999999999999999"), "line 5");
  refused("memlong.toml", toml + std::string("\0", 1), "saw '\\u0000'");
  refused("memlong.toml", "[memory]\nlayer = " + deep(100000), "nested value depth");
  refused("memlong.toml", replaced(toml, "\"adapter\"", "\"none\""), "none: No such file");
  refused(reference_model(),
          "options over " + reference_model() + "/memlong.toml: [window] size is 5000", 1,
          {"--window", "5000"});
  const std::string sif = slurp(reference_model() + "/sif.safetensors");
  refused("sif.safetensors", sif.substr(0, sif.size() / 2), "cut short");
  refused("sif.safetensors", sif.substr(0, sif.size() - 4) + std::string("\0\0\xc0\x7f", 4),
          "holds no finite number");
}

TEST_F(BadModel, AdaptersOfOtherModels) {
  const TensorFile file = TensorFile::read(reference_model() + "/adapter/upper_layers.safetensors");
  const std::string tensor = "model.layers.5.mlp.up_proj.weight";
  const auto with = [&](const std::string& content, const std::string& says) {
    SCOPED_TRACE(says);
    refused(reference_model(), says, 1,
            {"--adapter", folder_.write("adapter.safetensors", content)});
  };
  const auto changed = [&](const auto& change, const std::string& says) {
    TensorFile bad = file;
    change(bad.header);
    with(bad.bytes(), says);
  };
  const auto rename = [&](const std::string& name) {
    return [&tensor, name](json& h) {
      h[name] = h[tensor];
      h.erase(tensor);
    };
  };
  with(file.bytes().substr(0, 100000), "cut short");
  with(TensorFile::bytes("{}", ""), "has no tensors");
  changed(rename("model.layers.40.mlp.up_proj.weight"), "is not in the model");
  changed(rename("model.layers.0.mlp.up_proj.weight"), "belongs to the writer of memory layer 4");
  changed([&](json& h) { h[tensor]["shape"] = {256, 704}; }, "the model's is [704, 256]");
  refused(reference_model(), "belongs to the writer", 1,
          {"--adapter", test::data_dir() + "/tiny-gqa"});
  refused(reference_model(), "--adapter: /nonexistent: No such file", 2,
          {"--adapter", "/nonexistent"});
}

}  // namespace
}  // namespace memlong::tools_test
