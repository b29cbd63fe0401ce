#include "model/encoder_config.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "model/sentence_files.h"
#include "support/golden_encoders.h"

namespace memlong::model {
namespace {

using nlohmann::json;
using test::change_json;
using test::TempFolder;
using testing::HasSubstr;

/// all-MiniLM-L6-v2's, and BGE-M3's.
json bert() {
  return {{"model_type", "bert"},      {"hidden_act", "gelu"},
          {"hidden_size", 384},        {"intermediate_size", 1536},
          {"layer_norm_eps", 1e-12},   {"max_position_embeddings", 512},
          {"num_attention_heads", 12}, {"num_hidden_layers", 6},
          {"pad_token_id", 0},         {"position_embedding_type", "absolute"},
          {"type_vocab_size", 2},      {"vocab_size", 30522}};
}
json bge_m3() {
  return {
      {"model_type", "xlm-roberta"}, {"hidden_act", "gelu"},    {"hidden_size", 1024},
      {"intermediate_size", 4096},   {"layer_norm_eps", 1e-5},  {"max_position_embeddings", 8194},
      {"num_attention_heads", 16},   {"num_hidden_layers", 24}, {"pad_token_id", 1},
      {"type_vocab_size", 1},        {"vocab_size", 250002}};
}

std::string refusal(json config, const json& fields) {
  config.merge_patch(fields);
  try {
    (void)parse_encoder_config(config.dump(), "config.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

TEST(EncoderConfig, Bert) {
  const EncoderConfig config = parse_encoder_config(bert().dump(), "config.json");
  EXPECT_EQ(config.kind, EncoderKind::bert);
  EXPECT_EQ(config.layers, 6);
  EXPECT_EQ(config.hidden, 384);
  EXPECT_EQ(config.ffn, 1536);
  EXPECT_EQ(config.heads, 12);
  EXPECT_EQ(config.head_dim, 32);
  EXPECT_EQ(config.vocab, 30522);
  EXPECT_EQ(config.token_types, 2);
  EXPECT_EQ(config.first_position, 0);
  EXPECT_EQ(config.max_tokens(), 512);
  EXPECT_EQ(config.norm_eps, 1e-12F);
}

TEST(EncoderConfig, XlmRobertaCountsPositionsBehindPadding) {
  const EncoderConfig config = parse_encoder_config(bge_m3().dump(), "config.json");
  EXPECT_EQ(config.kind, EncoderKind::xlm_roberta);
  EXPECT_EQ(config.positions, 8194);
  EXPECT_EQ(config.first_position, 2);
  EXPECT_EQ(config.max_tokens(), 8192);
  EXPECT_EQ(config.token_types, 1);
}

TEST(EncoderConfig, WhatIsNotReadIsNamed) {
  EXPECT_EQ(refusal(bert(), json::object()), "none");
  EXPECT_THAT(refusal(bert(), {{"model_type", "mpnet"}}),
              HasSubstr("config.json: model_type is \"mpnet\"; encoders that are read are bert and "
                        "xlm-roberta"));
  EXPECT_THAT(refusal(bert(), {{"model_type", nullptr}}), HasSubstr("model_type is \"\""));
  EXPECT_THAT(refusal(bert(), {{"hidden_act", "gelu_new"}}), HasSubstr("hidden_act is"));
  EXPECT_THAT(refusal(bert(), {{"position_embedding_type", "relative_key"}}),
              HasSubstr("position_embedding_type is"));
  EXPECT_THAT(refusal(bert(), {{"is_decoder", true}}), HasSubstr("is_decoder is true"));
  EXPECT_THAT(refusal(bert(), {{"num_attention_heads", 7}}), HasSubstr("must divide hidden_size"));
  EXPECT_THAT(refusal(bert(), {{"num_attention_heads", 128}}), HasSubstr("gives heads of 3"));
  EXPECT_THAT(refusal(bert(), {{"num_attention_heads", 1}}), HasSubstr("gives heads of 384"));
  EXPECT_THAT(refusal(bert(), {{"hidden_size", nullptr}}), HasSubstr("hidden_size is missing"));
  EXPECT_THAT(refusal(bert(), {{"hidden_size", -4}}), HasSubstr("hidden_size"));
  EXPECT_THAT(refusal(bert(), {{"vocab_size", "many"}}), HasSubstr("vocab_size"));
  EXPECT_THAT(refusal(bert(), {{"num_hidden_layers", 1e18}}), HasSubstr("num_hidden_layers"));
  EXPECT_THAT(refusal(bge_m3(), {{"max_position_embeddings", 4}}), HasSubstr("leaves no room"));
}

class SentenceFolder : public testing::Test {
 protected:
  [[nodiscard]] SentenceFiles read() const { return read_sentence_files(folder_.path()); }
  [[nodiscard]] std::string refusal() const {
    try {
      (void)read();
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  }
  void modules(const std::vector<std::pair<std::string, std::string>>& paths_and_types) const {
    json list = json::array();
    for (const auto& [path, type] : paths_and_types) {
      list.push_back({{"path", path}, {"type", "sentence_transformers.models." + type}});
    }
    folder_.write("modules.json", list.dump());
  }
  void pooling(const json& fields) const { folder_.write("1_Pooling/config.json", fields.dump()); }

  TempFolder folder_;
};

TEST_F(SentenceFolder, WithoutAFileItIsTheMean) {
  EXPECT_EQ(read().pooling, Pooling::mean);
  EXPECT_EQ(read().max_tokens, 0);
  EXPECT_EQ(read().transformer, folder_.path());
}

TEST_F(SentenceFolder, PoolingInTheOldAndTheNewSpelling) {
  pooling({{"pooling_mode_cls_token", true}, {"pooling_mode_mean_tokens", false}});
  EXPECT_EQ(read().pooling, Pooling::cls);
  pooling({{"pooling_mode_cls_token", false}, {"pooling_mode_mean_tokens", true}});
  EXPECT_EQ(read().pooling, Pooling::mean);
  pooling({{"pooling_mode", "cls"}});
  EXPECT_EQ(read().pooling, Pooling::cls);
  pooling({{"pooling_mode", "mean"}});
  EXPECT_EQ(read().pooling, Pooling::mean);
}

TEST_F(SentenceFolder, ModulesSayWhereThingsAre) {
  modules({{"0_Transformer", "Transformer"}, {"other", "Pooling"}, {"2_Normalize", "Normalize"}});
  pooling({{"pooling_mode", "mean"}});
  folder_.write("other/config.json", R"({"pooling_mode_cls_token": true})");
  folder_.write("0_Transformer/sentence_bert_config.json", R"({"max_seq_length": 128})");
  EXPECT_EQ(read().pooling, Pooling::cls);
  EXPECT_EQ(read().transformer, folder_.path() / "0_Transformer");
  EXPECT_EQ(read().max_tokens, 128);
}

TEST_F(SentenceFolder, WhatIsNotReadIsNamed) {
  pooling({{"pooling_mode_max_tokens", true}});
  EXPECT_THAT(refusal(), HasSubstr("pooling_mode_max_tokens is true"));
  pooling({{"pooling_mode_cls_token", true}, {"pooling_mode_mean_tokens", true}});
  EXPECT_THAT(refusal(), HasSubstr("are both true"));
  pooling({{"pooling_mode_mean_tokens", false}});
  EXPECT_THAT(refusal(), HasSubstr("are both false"));
  pooling({{"pooling_mode", "lasttoken"}});
  EXPECT_THAT(refusal(), HasSubstr("pooling_mode is \"lasttoken\""));
  folder_.write("1_Pooling/config.json", "no");
  EXPECT_THAT(refusal(), HasSubstr("1_Pooling/config.json"));
  pooling({{"pooling_mode", "cls"}});
  modules({{"", "Transformer"}, {"1_Pooling", "Pooling"}, {"2_Dense", "Dense"}});
  EXPECT_THAT(refusal(), HasSubstr("type is \"Dense\""));
  modules({{"", "Transformer"}});
  EXPECT_THAT(refusal(), HasSubstr("modules.json names no Pooling"));
  modules({{"../..", "Transformer"}, {"1_Pooling", "Pooling"}});
  EXPECT_THAT(refusal(), HasSubstr("path is \"../..\", no plain name"));
  folder_.write("modules.json", "{}");
  EXPECT_THAT(refusal(), HasSubstr("modules.json is not a JSON list"));
  folder_.write("modules.json", "[3]");
  EXPECT_THAT(refusal(), HasSubstr("a module is no object"));
  modules({{"", "Transformer"}, {"1_Pooling", "Pooling"}});
  EXPECT_EQ(refusal(), "none");
  folder_.write("sentence_bert_config.json", R"({"max_seq_length": 512, "do_lower_case": true})");
  EXPECT_THAT(refusal(), HasSubstr("do_lower_case is true"));
  folder_.write("sentence_bert_config.json", R"({"max_seq_length": 1})");
  EXPECT_THAT(refusal(), HasSubstr("max_seq_length"));
}

}  // namespace
}  // namespace memlong::model
