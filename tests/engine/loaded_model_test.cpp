// What the files of a model folder beside its weights decide.
#include "engine/loaded_model.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "common/file.h"
#include "engine/session.h"
#include "support/paths.h"
#include "support/reference_model.h"

namespace memlong::engine {
namespace {

namespace fs = std::filesystem;

class LoadedModelTest : public testing::Test {
 protected:
  /// The reference model with these files in place of its own (or beside them).
  std::shared_ptr<const LoadedModel> with(const std::map<std::string, std::string>& files) {
    const fs::path path = folder_.path() / ("model" + std::to_string(++made_));
    fs::create_directories(path);
    for (const auto& entry : fs::directory_iterator(test::source_dir() + "/models/reference")) {
      if (files.contains(entry.path().filename())) continue;
      fs::create_symlink(entry.path(), path / entry.path().filename());
    }
    for (const auto& [name, content] : files) {
      folder_.write(path.filename().string() + "/" + name, content);
    }
    return load_model(context_, {.folder = path, .dtype = DType::f32});
  }

  std::vector<int32_t> answer(const std::shared_ptr<const LoadedModel>& model) {
    Session session(context_, model, make_embedder(context_, *model), nullptr, {});
    session.add({"user", "Can you find me a restaurant in Oakland?"});
    GenerateOptions options;
    options.sampling.temperature = 0.0F;
    options.max_tokens = 24;
    const Answer answer = session.answer(options);
    reason_ = answer.reason;
    return answer.ids;
  }

  Context context_;
  test::TempFolder folder_;
  StopReason reason_ = StopReason::length;
  int made_ = 0;
};

TEST_F(LoadedModelTest, AnswersStopAtTheEndsOfTheConfigFiles) {
  const std::vector<int32_t> whole = answer(with({}));
  ASSERT_GT(whole.size(), 4U);
  const int32_t end = whole[3];
  const auto first = std::find(whole.begin(), whole.end(), end);
  const std::vector<int32_t> cut(whole.begin(), first);
  const std::string ids = R"({"eos_token_id": [2, )" + std::to_string(end) + "]}";
  const auto model = with({{"generation_config.json", ids}});
  EXPECT_EQ(model->chat->stop_ids(), (std::vector<int32_t>{6, 2, end}));
  EXPECT_EQ(answer(model), cut);
  EXPECT_EQ(reason_, StopReason::end);
}

TEST_F(LoadedModelTest, ATokenWithoutARowIsNoReasonToRefuseAModel) {
  const auto model = with({{"added_tokens.json", R"({"<pad>": 4096})"}});
  EXPECT_EQ(model->tokens->vocab_size(), 4096);
  EXPECT_EQ(model->fingerprint(), with({})->fingerprint());
}

/// What the tokenizer says of BOS wins over config.json, and what memlong.toml says over both.
TEST_F(LoadedModelTest, WindowsOpenWithTheTokenizersBos) {
  const std::string config = read_file(test::source_dir() + "/models/reference/config.json");
  std::string other = config;
  other.replace(other.find("\"bos_token_id\": 1"), 17, "\"bos_token_id\": 9");
  const std::string settings =
      "[memory]\nlayer = 4\nchunk = 64\n[window]\nsize = 320\noverlap = 64\n";
  const std::string tokens = R"({"bos_token": "<s>", "eos_token": "</s>")";
  const auto model = with({{"config.json", other},
                           {"memlong.toml", settings},
                           {"tokenizer_config.json", tokens + R"(, "add_bos_token": true})"}});
  EXPECT_EQ(model->config.bos, 1);
  EXPECT_TRUE(model->settings.window_bos);
  const std::string none = tokens + R"(, "add_bos_token": false})";
  EXPECT_FALSE(
      with({{"memlong.toml", settings}, {"tokenizer_config.json", none}})->settings.window_bos);
  EXPECT_TRUE(with({{"memlong.toml", settings + "bos = true\n"}, {"tokenizer_config.json", none}})
                  ->settings.window_bos);
  EXPECT_FALSE(with({})->settings.window_bos) << "memlong.toml of the reference model says so";
}

TEST_F(LoadedModelTest, TextNeedsNoMarksOfDialogs) {
  const auto folder = [&] {
    return with({{"tokenizer_config.json", R"({"chat_template": "<|end|>", "bos_token": "<s>"})"}})
        ->folder;
  }();
  folder_.write(folder.filename().string() + "/tokenizer_config.json",
                R"({"chat_template": "<|im_start|>", "bos_token": "<s>"})");
  EXPECT_THROW(load_model(context_, {.folder = folder, .dtype = DType::f32}), Error);
  const auto text =
      load_model(context_, {.folder = folder, .dtype = DType::f32, .text_only = true});
  EXPECT_EQ(text->chat->name(), "plain");
  EXPECT_EQ(load_model(context_, {.folder = folder, .dtype = DType::f32, .writer_only = true})
                ->chat->name(),
            "plain");
  model::MemorySettings asked = text->settings;
  asked.chat_template = "chatml";
  EXPECT_THROW(
      load_model(context_,
                 {.folder = folder, .settings = asked, .dtype = DType::f32, .text_only = true}),
      Error);
}

TEST_F(LoadedModelTest, ALanguageThatIsNotKnownIsThatOfTheTokenizerUntilThereIsMuchText) {
  const auto model = with({{"sif.safetensors", ""}});
  fs::remove(model->folder / "sif.safetensors");
  ASSERT_EQ(make_embedder(context_, *model), nullptr);
  const std::vector<int32_t> few = model->tokens->encode("My glasses are in the car.");
  std::vector<int32_t> many;
  for (int i = 0; many.size() < 16384; ++i) {
    const auto ids = model->tokens->encode("Line " + std::to_string(i) + " of a long text.\n");
    many.insert(many.end(), ids.begin(), ids.end());
  }
  const std::string prior = make_sif_blob(*model, {});
  EXPECT_EQ(make_sif_blob(*model, few), prior) << "a first message decides nothing";
  EXPECT_EQ(make_sif_blob(*model, std::span(many).first(16383)), prior);
  const std::string estimated = make_sif_blob(*model, many);
  EXPECT_NE(estimated, prior);
  const auto likely = [&](const std::string& blob, const std::string& word) {
    const auto id = static_cast<size_t>(model->tokens->encode(word).back());
    return retriever::SifParameters::deserialize(blob).token_probability[id];
  };
  EXPECT_GT(likely(estimated, "a long"), 5 * likely(prior, "a long"));
  EXPECT_LT(likely(estimated, "the cat"), likely(prior, "the cat"));
  for (const std::string& blob : {prior, estimated}) {
    const auto parameters = retriever::SifParameters::deserialize(blob);
    for (const size_t mark : {3, 4, 5, 6}) EXPECT_EQ(parameters.token_probability[mark], 1.0F);
    EXPECT_NE(make_embedder(context_, *model, blob), nullptr);
  }
  EXPECT_EQ(make_sif_blob(*with({}), few), make_sif_blob(*with({}), many)) << "the file's";
}

}  // namespace
}  // namespace memlong::engine
