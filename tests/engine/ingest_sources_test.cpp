#include "engine/ingest_sources.h"

#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/ingest_rows.h"
#include "support/temp_folder.h"

namespace memlong::engine {
namespace {

namespace fs = std::filesystem;

class Sources : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"b.txt", "a.md", "skip.pdf", ".hidden.txt", "sub/c.text",
                             "sub/.git/d.txt", "sub/deep/e.txt", "rows.jsonl"}) {
      fs::create_directories((top_ / name).parent_path());
      std::ofstream(top_ / name) << "text of " << name;
    }
  }

  [[nodiscard]] std::vector<std::string> names(const std::vector<std::string>& paths,
                                               const SourceOptions& options = {}) {
    const SourceList list = list_sources(paths, options);
    problems_ = list.problems;
    std::vector<std::string> found;
    for (const Source& source : list.sources) {
      found.push_back(source.path.lexically_relative(top_).string());
    }
    return found;
  }

  const test::TempFolder folder_;
  const fs::path top_ = folder_.path();
  std::vector<std::string> problems_;
};

using Names = std::vector<std::string>;

TEST_F(Sources, FoldersGiveTextFilesInOrder) {
  EXPECT_EQ(names({top_.string()}), (Names{"a.md", "b.txt", "sub/c.text", "sub/deep/e.txt"}));
  EXPECT_TRUE(problems_.empty());
}

TEST_F(Sources, IncludeChooses) {
  EXPECT_EQ(names({top_.string()}, {.include = {"*.pdf", "*.jsonl"}}),
            (Names{"rows.jsonl", "skip.pdf"}));
  EXPECT_EQ(names({top_.string()}, {.include = {"sub/*.txt"}}), (Names{"sub/deep/e.txt"}));
}

TEST_F(Sources, NamedFilesAreTakenAsTheyAre) {
  const std::string rows = (top_ / "rows.jsonl").string();
  const SourceList list = list_sources({(top_ / "skip.pdf").string(), rows}, {});
  ASSERT_EQ(list.sources.size(), 2U);
  EXPECT_EQ(list.sources[0].kind, SourceKind::text);
  EXPECT_EQ(list.sources[0].bytes, 16);
  EXPECT_EQ(list.sources[1].kind, SourceKind::json_lines);
  EXPECT_EQ(list.sources[1].name, rows);
}

TEST_F(Sources, NothingIsTakenTwiceAndLoopsEnd) {
  fs::create_directory_symlink(top_, top_ / "sub" / "loop");
  const std::string b = (top_ / "b.txt").string();
  EXPECT_EQ(names({b, top_.string(), b}), (Names{"b.txt", "a.md", "sub/c.text", "sub/deep/e.txt"}));
}

TEST_F(Sources, ProblemsAreNamed) {
  fs::create_directory(top_ / "empty");
  EXPECT_TRUE(names({(top_ / "none.txt").string(), (top_ / "empty").string()}).empty());
  ASSERT_EQ(problems_.size(), 2U);
  EXPECT_NE(problems_[0].find("none.txt: No such file"), std::string::npos) << problems_[0];
  EXPECT_NE(problems_[1].find("no file in this folder"), std::string::npos) << problems_[1];
}

TEST_F(Sources, FilesCanBeReadAgain) {
  SourceFile file({.kind = SourceKind::text, .path = top_ / "b.txt", .name = "b", .bytes = 0});
  EXPECT_EQ(file.bytes(), 13);
  for (int i = 0; i < 2; ++i) {
    const ReadBlock read = file.open();
    std::string text(20, '\0');
    text.resize(read(text.data(), text.size()));
    EXPECT_EQ(text, "text of b.txt");
  }
}

TEST(SourceFile, AContentStandsForAFile) {
  Source source;
  source.path = "/nowhere";
  source.content = std::make_shared<const std::string>("some text");
  SourceFile file(source);
  EXPECT_EQ(file.bytes(), 9);
  for (int i = 0; i < 2; ++i) {
    const ReadBlock read = file.open();
    std::string text;
    char block[4];
    while (const size_t got = read(block, sizeof(block))) text.append(block, got);
    EXPECT_EQ(text, "some text");
  }
}

TEST(LineReader, NumbersLinesAcrossBlocks) {
  const std::string text = "one\n\n" + std::string(100000, 'x') + "\nlast";
  size_t at = 0;
  LineReader lines([&](char* to, size_t size) {
    const size_t count = text.copy(to, std::min<size_t>(size, 1000), at);
    at += count;
    return count;
  });
  std::string line;
  std::vector<size_t> sizes;
  int64_t bytes = 0;
  while (lines.next(line)) {
    sizes.push_back(line.size());
    bytes += lines.line_bytes();
    EXPECT_FALSE(lines.too_long());
  }
  EXPECT_EQ(sizes, (std::vector<size_t>{3, 0, 100000, 4}));
  EXPECT_EQ(lines.number(), 4);
  EXPECT_EQ(bytes, static_cast<int64_t>(text.size()));
}

}  // namespace
}  // namespace memlong::engine
