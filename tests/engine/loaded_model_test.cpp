// What the files of a model folder beside its weights decide.
#include "engine/loaded_model.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/session.h"
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
    for (const auto& entry : fs::directory_iterator(MEMLONG_SOURCE_DIR "/models/reference")) {
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

}  // namespace
}  // namespace memlong::engine
