#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "support/paths.h"
#include "support/temp_folder.h"

namespace memlong::model {
namespace {

using nlohmann::json;
using test::TempFolder;
using testing::ElementsAre;
using testing::HasSubstr;

json llama() {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"hidden_size", 3200},
          {"intermediate_size", 8640},
          {"num_hidden_layers", 26},
          {"num_attention_heads", 32},
          {"vocab_size", 32000},
          {"max_position_embeddings", 2048},
          {"rms_norm_eps", 1e-6},
          {"bos_token_id", 1},
          {"eos_token_id", 2},
          {"torch_dtype", "float16"}};
}

ModelConfig parse(const json& root) { return parse_config(root.dump(), "config.json"); }

TEST(Config, OpenLlamaNamesNeitherHeadDimNorKvHeads) {
  const ModelConfig config = parse(llama());
  EXPECT_EQ(config.architecture, "LlamaForCausalLM");
  EXPECT_EQ(config.layers, 26);
  EXPECT_EQ(config.hidden, 3200);
  EXPECT_EQ(config.ffn, 8640);
  EXPECT_EQ(config.heads, 32);
  EXPECT_EQ(config.kv_heads, 32);
  EXPECT_EQ(config.head_dim, 100);
  EXPECT_EQ(config.vocab, 32000);
  EXPECT_EQ(config.max_positions, 2048);
  EXPECT_FLOAT_EQ(config.rms_eps, 1e-6F);
  EXPECT_EQ(config.rope.theta, 10000.0);
  EXPECT_EQ(config.rope.scaling, ops::RopeScaling::none);
  EXPECT_FALSE(config.tied_head || config.qkv_bias || config.o_bias || config.mlp_bias);
  EXPECT_EQ(config.bos, 1);
  EXPECT_THAT(config.eos, ElementsAre(2));
}

TEST(Config, Qwen2AlwaysHasQkvBiases) {
  json root = llama();
  root["architectures"] = {"Qwen2ForCausalLM"};
  root["num_key_value_heads"] = 4;
  root["tie_word_embeddings"] = true;
  root["sliding_window"] = 1024;
  root["use_sliding_window"] = false;
  const ModelConfig config = parse(root);
  EXPECT_TRUE(config.qkv_bias);
  EXPECT_FALSE(config.o_bias);
  EXPECT_TRUE(config.tied_head);
  EXPECT_EQ(config.kv_heads, 4);
  EXPECT_EQ(config.sliding_window, 0);
}

TEST(Config, MistralSlidesUnlessNull) {
  json root = llama();
  root["architectures"] = {"MistralForCausalLM"};
  root["attention_bias"] = true;  // Mistral has none, whatever stands there
  root["sliding_window"] = 4096;
  EXPECT_EQ(parse(root).sliding_window, 4096);
  EXPECT_FALSE(parse(root).qkv_bias);
  root["sliding_window"] = nullptr;
  EXPECT_EQ(parse(root).sliding_window, 0);
}

TEST(Config, OnlyLayersThatSlideLimitWhatIsSeen) {
  json root = llama();
  root["sliding_window"] = 1024;
  EXPECT_EQ(parse(root).attention_rows, 0) << "Llama has none";
  root["architectures"] = {"MistralForCausalLM"};
  EXPECT_EQ(parse(root).attention_rows, 1024);
  root["layer_types"] = json::array({"full_attention", "full_attention"});
  EXPECT_EQ(parse(root).attention_rows, 0);
  EXPECT_EQ(parse(root).sliding_window, 1024) << "a bank's fingerprint has it";
  root["layer_types"] = json::array({"full_attention", "sliding_attention"});
  EXPECT_EQ(parse(root).attention_rows, 1024);
  root.erase("layer_types");
  root["architectures"] = {"Qwen2ForCausalLM"};
  EXPECT_EQ(parse(root).attention_rows, 0);
  root["use_sliding_window"] = true;
  EXPECT_EQ(parse(root).attention_rows, 0) << "of 26 layers the first 28 do not slide";
  root["max_window_layers"] = 25;
  EXPECT_EQ(parse(root).attention_rows, 1024);
  root["max_window_layers"] = 26;
  EXPECT_EQ(parse(root).attention_rows, 0);
}

TEST(Config, ModelTypeStandsInForArchitectures) {
  json root = llama();
  root.erase("architectures");
  root["model_type"] = "mistral";
  EXPECT_EQ(parse(root).architecture, "MistralForCausalLM");
}

TEST(Config, LlamaBiases) {
  json root = llama();
  root["attention_bias"] = true;
  root["mlp_bias"] = true;
  const ModelConfig config = parse(root);
  EXPECT_TRUE(config.qkv_bias && config.o_bias && config.mlp_bias);
}

TEST(Config, RopeInTheOldSpelling) {
  json root = llama();
  root["rope_theta"] = 500000.0;
  root["rope_scaling"] = {{"rope_type", "llama3"},
                          {"factor", 8.0},
                          {"low_freq_factor", 1.0},
                          {"high_freq_factor", 4.0},
                          {"original_max_position_embeddings", 8192}};
  const ops::RopeParameters llama3 = parse(root).rope;
  EXPECT_EQ(llama3.theta, 500000.0);
  EXPECT_EQ(llama3.scaling, ops::RopeScaling::llama3);
  EXPECT_EQ(llama3.factor, 8.0);
  EXPECT_EQ(llama3.original_positions, 8192);
  root["rope_scaling"] = {{"type", "linear"}, {"factor", 2}};
  EXPECT_EQ(parse(root).rope.scaling, ops::RopeScaling::linear);
  root["rope_scaling"] = {{"type", "dynamic"}, {"factor", 4.0}};
  EXPECT_EQ(parse(root).rope.original_positions, 2048);
  root["rope_scaling"] = nullptr;
  EXPECT_EQ(parse(root).rope.scaling, ops::RopeScaling::none);
}

TEST(Config, RopeInTheNewSpelling) {
  json root = llama();
  root.erase("torch_dtype");
  root["dtype"] = "bfloat16";
  root["rope_parameters"] = {{"rope_type", "yarn"}, {"rope_theta", 1e6},
                             {"factor", 4.0},       {"original_max_position_embeddings", 512},
                             {"beta_fast", 16.0},   {"attention_factor", 1.5},
                             {"truncate", false}};
  const ops::RopeParameters rope = parse(root).rope;
  EXPECT_EQ(rope.theta, 1e6);
  EXPECT_EQ(rope.scaling, ops::RopeScaling::yarn);
  EXPECT_EQ(rope.original_positions, 512);
  EXPECT_EQ(rope.beta_fast, 16.0);
  EXPECT_EQ(rope.beta_slow, 1.0);
  EXPECT_EQ(rope.attention_factor, 1.5);
  EXPECT_FALSE(rope.truncate);
  root["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 5e5}};
  EXPECT_EQ(parse(root).rope.theta, 5e5);
  EXPECT_EQ(parse(root).rope.scaling, ops::RopeScaling::none);
}

TEST(Config, OfTwoSpellingsOfRopeTheOldOneCounts) {  // as in transformers
  json root = llama();
  root["rope_theta"] = 2e4;
  root["rope_scaling"] = {{"type", "linear"}, {"factor", 2.0}};
  root["rope_parameters"] = {
      {"rope_type", "yarn"}, {"rope_theta", 1e6}, {"factor", 4.0}, {"beta_fast", 16.0}};
  const ops::RopeParameters rope = parse(root).rope;
  EXPECT_EQ(rope.scaling, ops::RopeScaling::linear);
  EXPECT_EQ(rope.factor, 2.0);
  EXPECT_EQ(rope.theta, 2e4);
  for (const json& none : {json(nullptr), json::object()}) {
    root["rope_scaling"] = none;
    EXPECT_EQ(parse(root).rope.scaling, ops::RopeScaling::yarn);
    EXPECT_EQ(parse(root).rope.theta, 1e6);
  }
}

struct BadValue {
  const char* key;
  json value;
  const char* message;
};

TEST(Config, AbsurdValuesAreRefusedByName) {
  const BadValue table[] = {
      {"num_hidden_layers", 0, "num_hidden_layers"},
      {"num_hidden_layers", 1001, "from 1 to 1000"},
      {"num_hidden_layers", "26", "not a whole number"},
      {"num_hidden_layers", 26.5, "not a whole number"},
      {"hidden_size", 1 << 18, "hidden_size"},
      {"hidden_size", -3200, "hidden_size"},
      {"hidden_size", 18446744073709551615U, "hidden_size"},
      {"hidden_size", nullptr, "hidden_size is missing"},
      {"vocab_size", (1 << 24) + 1, "vocab_size"},
      {"intermediate_size", 0, "intermediate_size"},
      {"num_attention_heads", 31, "must divide hidden_size"},
      {"num_key_value_heads", 5, "must divide num_attention_heads"},
      {"num_key_value_heads", 64, "must divide num_attention_heads"},
      {"head_dim", 33, "must be even"},
      {"head_dim", 258, "at most 256"},
      {"rms_norm_eps", 0.0, "rms_norm_eps"},
      {"rms_norm_eps", -1e-6, "rms_norm_eps"},
      {"rms_norm_eps", "small", "not a number"},
      {"rope_theta", 0.0, "rope_theta"},
      {"rope_scaling", {{"type", "longrope"}, {"factor", 2.0}}, "longrope"},
      {"rope_scaling", {{"type", "linear"}}, "rope_scaling: factor is missing"},
      {"rope_scaling", {{"type", "linear"}, {"factor", 0.5}}, "factor"},
      {"rope_scaling", {{"type", "llama3"}, {"factor", 8.0}}, "original_max_position_embeddings"},
      {"rope_scaling", 3, "rope_scaling"},
      {"rope_parameters", {{"full_attention", {{"rope_type", "default"}}}}, "between layers"},
      {"partial_rotary_factor", 0.5, "partial_rotary_factor"},
      {"hidden_act", "gelu", "hidden_act"},
      {"tie_word_embeddings", "yes", "tie_word_embeddings"},
      {"bos_token_id", 32000, "bos_token_id"},
      {"eos_token_id", {2, "x"}, "eos_token_id"},
      {"max_position_embeddings", 0, "max_position_embeddings"},
      {"architectures", {"GPT2LMHeadModel"}, "GPT2LMHeadModel"},
      {"architectures", json::array(), "architectures"},
      {"quantization_config", {{"bits", 4}}, "quantized"},
  };
  for (const BadValue& bad : table) {
    json root = llama();
    root[bad.key] = bad.value;
    try {
      parse(root);
      ADD_FAILURE() << bad.key << " = " << bad.value << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::config) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(bad.message));
      EXPECT_THAT(error.what(), testing::StartsWith("config.json: "));
      EXPECT_THAT(error.what(), testing::Not(HasSubstr("\n")));
    }
  }
}

TEST(Config, WhatIsNoJsonIsAFormatError) {
  for (const char* text : {"", "{", "[1]", "{\"a\": nan}", "\xff"}) {
    try {
      parse_config(text, "config.json");
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::format);
      EXPECT_THAT(error.what(), HasSubstr("config.json"));
    }
  }
}

TEST(Config, GenerationConfigNamesMoreEnds) {
  const TempFolder folder;
  folder.write("config.json", llama().dump());
  folder.write("generation_config.json", R"({"eos_token_id": [2, 6]})");
  EXPECT_THAT(load_config(folder.path()).eos, ElementsAre(2, 6));
  EXPECT_EQ(load_config(folder.path()).bos, 1);
}

TEST(Config, AnEndThatTheModelHasNoRowForIsLeftOut) {
  json root = llama();
  root["eos_token_id"] = {2, 32000, -7};
  EXPECT_THAT(parse(root).eos, ElementsAre(2));
  const TempFolder folder;
  folder.write("config.json", llama().dump());
  folder.write("generation_config.json", R"({"eos_token_id": [32000, 128009]})");
  EXPECT_THAT(load_config(folder.path()).eos, ElementsAre(2)) << "those of config.json stay";
  folder.write("generation_config.json", R"({"eos_token_id": -1})");
  EXPECT_THAT(load_config(folder.path()).eos, ElementsAre()) << "-1 says: none";
}

TEST(Config, AMissingFileIsAnIoError) {
  const TempFolder folder;
  try {
    load_config(folder.path());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::io);
    EXPECT_THAT(error.what(), HasSubstr("config.json"));
  }
}

TEST(Config, ReferenceModel) {
  const ModelConfig config =
      load_config(std::filesystem::path(test::source_dir()) / "models/reference");
  EXPECT_EQ(config.layers, 8);
  EXPECT_EQ(config.head_dim, 64);
  EXPECT_EQ(config.kv_heads, 2);
  EXPECT_TRUE(config.tied_head);
  EXPECT_THAT(config.eos, ElementsAre(2, 6));
}

}  // namespace
}  // namespace memlong::model
