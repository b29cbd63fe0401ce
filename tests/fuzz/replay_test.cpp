// The corpora as ordinary tests: seeds, and every input that once broke something.
#include <algorithm>
#include <filesystem>
#include <vector>

#include <gtest/gtest.h>

#include "common/file.h"
#include "fuzz/target.h"
#include "fuzz/targets.h"
#include "support/paths.h"

namespace memlong::fuzz {
namespace {

namespace fs = std::filesystem;

struct Corpus {
  const char* name;
  void (*target)(std::string_view input);
};
constexpr Corpus kCorpora[] = {{"safetensors", safetensors},
                               {"torch_file", torch_file},
                               {"config", config},
                               {"bank", bank},
                               {"snapshot", snapshot},
                               {"dialogs", dialogs},
                               {"toml", toml},
                               {"tokenizer_model", tokenizer_model},
                               {"tokenizer_json", tokenizer_json},
                               {"tokenizer_text", tokenizer_text},
                               {"chat_template", chat_template},
                               {"http_request", http_request}};

fs::path corpus_root() { return fs::path(test::source_dir()) / "tests/fuzz/corpus"; }

class FuzzCorpus : public testing::TestWithParam<Corpus> {};

TEST_P(FuzzCorpus, IsTakenOrRefusedAsItShouldBe) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(corpus_root() / GetParam().name)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  EXPECT_GE(files.size(), 3U);
  for (const fs::path& file : files) {
    const std::string content = read_file(file);
    try {
      GetParam().target(content);
      GetParam().target(content.substr(0, content.size() / 2));
    } catch (const std::exception& error) {
      ADD_FAILURE() << file.filename() << ": " << error.what();
    }
  }
  GetParam().target({});
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzCorpus, testing::ValuesIn(kCorpora),
                         [](const auto& corpus) { return std::string(corpus.param.name); });

TEST(FuzzCorpora, EachHasATarget) {
  size_t folders = 0;
  for (const auto& entry : fs::directory_iterator(corpus_root())) {
    const std::string name = entry.path().filename().string();
    EXPECT_TRUE(std::any_of(std::begin(kCorpora), std::end(kCorpora), [&](const Corpus& corpus) {
      return name == corpus.name;
    })) << name;
    ++folders;
  }
  EXPECT_EQ(folders, std::size(kCorpora));
}

TEST(FuzzHarness, TellsRefusalsFromFindings) {
  const auto refuse = [] { fail(ErrorKind::format, "bad"); };
  EXPECT_FALSE(accepted({ErrorKind::config, ErrorKind::format}, refuse));
  EXPECT_THROW(accepted({ErrorKind::corrupt}, refuse), Finding);
  EXPECT_THROW(accepted({ErrorKind::format}, [] { throw std::bad_alloc(); }), std::bad_alloc);
  EXPECT_TRUE(accepted({}, [] {}));
}

}  // namespace
}  // namespace memlong::fuzz
