// A disk that becomes full at any stage of a tool: the tool says so in one line and ends with 1,
// the bank is whole, and the same command, run again when there is room, does what it should.
#include <algorithm>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "support/paths.h"
#include "support/small_disk.h"
#include "tools/bank_difference.h"
#include "tools/run_tool.h"

namespace memlong::tools_test {
namespace {

using nlohmann::json;
using test::SmallDisk;
using testing::HasSubstr;
using Words = std::vector<std::string>;
using Check = std::function<void(const std::string& bank)>;

constexpr size_t kDiskBytes = size_t{24} << 20;
/// From nothing at all, over too little for lock.mdb, for a commit, for all commits, to enough.
const std::vector<size_t> kRooms = {0,         16 << 10,  48 << 10, 120 << 10,
                                    400 << 10, 900 << 10, 10 << 20};

json bank_json(const std::string& bank, Words args) {
  args.insert(args.end(), {"--bank", bank, "--json"});
  const ToolResult result = run_tool("memlong-bank", args);
  EXPECT_EQ(result.code, 0) << result.err;
  return json::parse(result.out, nullptr, false);
}

class FullDisk : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = new TempFolder;
    const std::string novel = slurp(test::source_dir() + "/examples/novel.txt");
    for (int i = 0; i < 3; ++i) {
      const std::string text = novel.substr(20000 * static_cast<size_t>(i), 5000);
      const std::string file = shared_->write("text" + std::to_string(i) + ".txt", text);
      const std::string bank = i < 2 ? *shared_ / "bank" : *shared_ / "other";
      const ToolResult made = run_tool(
          "memlong-ingest", {file, "--bank", bank, "--model", reference_model(), "--quiet"});
      ASSERT_EQ(made.code, 0) << made.err;
    }
  }
  static void TearDownTestSuite() {
    delete shared_;
    shared_ = nullptr;
  }
  static std::string prepared() { return *shared_ / "bank"; }
  static std::string third_text() { return *shared_ / "text2.txt"; }
  static std::string other() { return *shared_ / "other"; }

  /// Runs the tool with each of kRooms free on the disk; words has the bank's place as "BANK".
  void survives(const std::string& tool, const Words& words, const Check& check) {
    SmallDisk::run(folder_.path() / "disk", kDiskBytes, [&](const SmallDisk& disk) {
      const std::string bank = disk.path() / "bank";
      Words args = words;
      std::replace(args.begin(), args.end(), std::string("BANK"), bank);
      int refused = 0;
      for (const size_t room : kRooms) {
        SCOPED_TRACE(tool + " with " + std::to_string(room) + " bytes free");
        disk.make_room();
        std::filesystem::remove_all(bank);
        std::filesystem::create_directory(bank);
        std::filesystem::copy_file(prepared() + "/data.mdb", bank + "/data.mdb");
        disk.leave(room);
        const ToolResult result = run_tool(tool, args);
        disk.make_room();
        EXPECT_EQ(bank_json(bank, {"verify"})["ok"], true) << result.err;
        if (result.code != 0) {
          ++refused;
          expect_refusal(tool, result);
          const ToolResult again = run_tool(tool, args);
          EXPECT_EQ(again.code, 0) << again.err;
        }
        check(bank);
        EXPECT_EQ(bank_json(bank, {"verify"})["ok"], true);
        EXPECT_FALSE(std::filesystem::exists(bank + "/data.mdb.new"));
      }
      std::printf("%s: %d of %zu runs found the disk full\n", words[0].c_str(), refused,
                  kRooms.size());
      EXPECT_GT(refused, 0);
      EXPECT_LT(refused, static_cast<int>(kRooms.size()));
    });
  }

  static void expect_refusal(const std::string& tool, const ToolResult& result) {
    EXPECT_EQ(result.code, 1) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_THAT(result.err, testing::StartsWith(tool + ": error: "));
    EXPECT_THAT(result.err, HasSubstr("bank"));
    EXPECT_THAT(result.err, testing::AnyOf(HasSubstr("No space left"), HasSubstr("no room left")));
  }

  TempFolder folder_;
  static TempFolder* shared_;
};

TempFolder* FullDisk::shared_ = nullptr;

TEST_F(FullDisk, Ingest) {
  survives("memlong-ingest",
           {third_text(), "--bank", "BANK", "--model", reference_model(), "--quiet",
            "--commit-chunks", "4"},
           [](const std::string& bank) {
             const json list = bank_json(bank, {"list"});
             ASSERT_EQ(list.size(), 3U);
             for (const json& document : list) EXPECT_EQ(document["complete"], true);
             EXPECT_EQ(bank_json(bank, {"show", "3"})["text"], slurp(third_text()));
           });
}

TEST_F(FullDisk, NewBank) {
  SmallDisk::run(folder_.path() / "disk", kDiskBytes, [](const SmallDisk& disk) {
    const std::string bank = disk.path() / "bank";
    const Words words = {third_text(), "--bank", bank, "--model", reference_model(), "--quiet"};
    for (const size_t room : {0, 4 << 10, 12 << 10, 44 << 10, 60 << 10}) {
      SCOPED_TRACE(room);
      std::filesystem::remove_all(bank);
      disk.leave(room);
      expect_refusal("memlong-ingest", run_tool("memlong-ingest", words));
      disk.make_room();
      const ToolResult again = run_tool("memlong-ingest", words);
      EXPECT_EQ(again.code, 0) << again.err;
      EXPECT_EQ(bank_difference(other(), bank), "");
    }
  });
}

TEST_F(FullDisk, Import) {
  survives("memlong-bank", {"import", "--bank", "BANK", "--from", other(), "--quiet"},
           [](const std::string& bank) {
             ASSERT_EQ(bank_json(bank, {"list"}).size(), 3U);
             EXPECT_EQ(bank_json(bank, {"show", "3"})["text"], slurp(third_text()));
           });
}

TEST_F(FullDisk, Compact) {
  survives("memlong-bank", {"compact", "--bank", "BANK", "--quiet"},
           [](const std::string& bank) { EXPECT_EQ(bank_difference(prepared(), bank), ""); });
}

TEST_F(FullDisk, Prune) {
  survives("memlong-bank", {"prune", "--budget-chunks", "10", "--yes", "--bank", "BANK", "--quiet"},
           [](const std::string& bank) { EXPECT_EQ(bank_json(bank, {"stats"})["chunks"], 5); });
}

TEST_F(FullDisk, Forget) {
  survives("memlong-bank", {"forget", "1", "--yes", "--bank", "BANK", "--quiet"},
           [](const std::string& bank) {
             const json list = bank_json(bank, {"list"});
             ASSERT_EQ(list.size(), 1U);
             EXPECT_EQ(list[0]["document"], 2);
           });
}

TEST_F(FullDisk, Chat) {
  survives(
      "memlong-chat",
      {"--prompt", "Who is there?", "--session", "s", "--greedy", "--predict", "3", "--history", "",
       "--index", "hnsw", "--bank", "BANK", "--model", reference_model(), "--quiet"},
      [](const std::string& bank) {
        const json talk = bank_json(bank, {"show", "s"});
        ASSERT_EQ(talk["turns"].size(), 2U);
        EXPECT_EQ(talk["turns"][0]["content"], "Who is there?");
      });
}

TEST_F(FullDisk, ExportLeavesNoHalfFile) {
  SmallDisk::run(folder_.path() / "disk", size_t{1} << 20, [](const SmallDisk& disk) {
    disk.leave(4096);
    const std::string file = disk.path() / "out.jsonl";
    const ToolResult result =
        run_tool("memlong-bank", {"export", "--bank", prepared(), "--out", file});
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.err, HasSubstr("No space left"));
    EXPECT_FALSE(std::filesystem::exists(file));
    EXPECT_FALSE(std::filesystem::exists(file + ".part"));
  });
}

/// The bank can be read however full its disk is, once it has its lock file.
TEST_F(FullDisk, IsNoHindranceToReading) {
  SmallDisk::run(folder_.path() / "disk", kDiskBytes, [](const SmallDisk& disk) {
    const std::string bank = disk.path() / "bank";
    std::filesystem::create_directory(bank);
    std::filesystem::copy_file(prepared() + "/data.mdb", bank + "/data.mdb");
    bank_json(bank, {"stats"});
    disk.leave(0);
    EXPECT_EQ(bank_json(bank, {"list"}).size(), 2U);
    EXPECT_EQ(bank_json(bank, {"verify"})["ok"], true);
    const ToolResult said =
        run_tool("memlong-chat", {"--prompt", "Hello", "--predict", "2", "--bank", bank, "--greedy",
                                  "--history", "", "--model", reference_model(), "--quiet"});
    EXPECT_EQ(said.code, 0) << said.err;
  });
}

}  // namespace
}  // namespace memlong::tools_test
