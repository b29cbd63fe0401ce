// The tools on banks that are damaged, cut short, read-only, somebody else's, or no banks.
// MEMLONG_TEST_TOOL_FLIPS: how many bit flips every reading command is tried with (12).
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <random>
#include <unistd.h>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "membank/bank.h"
#include "membank/lmdb_env.h"
#include "membank/manifest.h"
#include "membank/records.h"
#include "support/paths.h"
#include "support/small_disk.h"
#include "tools/doctored_model.h"
#include "tools/run_tool.h"

namespace memlong::tools_test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using Words = std::vector<std::string>;

struct Command {
  std::string tool;
  Words words;
};

class StorageFault : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = new TempFolder;
    const std::string novel = slurp(test::source_dir() + "/examples/novel.txt");
    const std::string a = shared_->write("a.txt", novel.substr(0, 5000));
    const std::string b = shared_->write("b.txt", novel.substr(40000, 3000));
    const ToolResult made = run_tool(
        "memlong-ingest", {a, b, "--bank", prepared(), "--model", reference_model(), "--quiet"});
    ASSERT_EQ(made.code, 0) << made.err;
  }
  static void TearDownTestSuite() {
    delete shared_;
    shared_ = nullptr;
  }
  static std::string prepared() { return *shared_ / "bank"; }

  static std::string copy_to(const std::filesystem::path& bank) {
    std::filesystem::create_directories(bank);
    std::filesystem::copy_file(prepared() + "/data.mdb", bank / "data.mdb",
                               std::filesystem::copy_options::overwrite_existing);
    return bank;
  }

  static std::vector<Command> readers(const std::string& bank) {
    return {{"memlong-bank", {"stats", "--bank", bank}},
            {"memlong-bank", {"list", "--bank", bank}},
            {"memlong-bank", {"show", "1", "--bank", bank}},
            {"memlong-bank", {"search", "the old house", "--bank", bank}},
            {"memlong-bank", {"verify", "--bank", bank, "--quiet"}},
            {"memlong-bank", {"export", "--bank", bank, "--quiet"}},
            {"memlong-bank", {"prune", "--budget-chunks", "9", "--dry-run", "--bank", bank}},
            chat(bank, {})};
  }
  static std::vector<Command> writers(const std::string& bank) {
    return {{"memlong-ingest",
             {*shared_ / "b.txt", "--namespace", "new", "--bank", bank, "--model",
              reference_model(), "--quiet"}},
            {"memlong-bank", {"forget", "2", "--yes", "--bank", bank, "--quiet"}},
            {"memlong-bank", {"prune", "--budget-chunks", "9", "-y", "--bank", bank, "--quiet"}},
            {"memlong-bank", {"compact", "--bank", bank, "--quiet"}},
            {"memlong-bank", {"import", "--from", prepared(), "--bank", bank, "--quiet"}},
            chat(bank, {"--session", "s"})};
  }
  static Command chat(const std::string& bank, Words more) {
    Words words = {"--prompt", "Hello",  "--predict", "2",       "--greedy",        "--history",
                   "",         "--bank", bank,        "--model", reference_model(), "--quiet"};
    words.insert(words.end(), more.begin(), more.end());
    return {"memlong-chat", words};
  }

  static ToolResult run(const Command& command) { return run_tool(command.tool, command.words); }

  static void expect_refused(const Command& command, int code, const std::string& message) {
    const ToolResult result = run(command);
    SCOPED_TRACE(command.tool + " " + command.words[0]);
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_THAT(result.err, testing::StartsWith(command.tool + ": error: "));
    EXPECT_THAT(result.err, HasSubstr(message));
  }

  TempFolder folder_;
  static TempFolder* shared_;
};

TempFolder* StorageFault::shared_ = nullptr;

TEST_F(StorageFault, ABankThatIsAFile) {
  const std::string file = folder_.write("notes.txt", "no bank");
  for (const std::string& bank : {file, file + "/bank"}) {
    for (const Command& command : readers(bank)) expect_refused(command, 2, "no bank in " + bank);
    for (const Command& command : writers(bank)) {
      const bool makes_one = command.tool != "memlong-bank" || command.words[0] == "import";
      expect_refused(command, makes_one ? 1 : 2, bank);
    }
  }
  EXPECT_EQ(slurp(file), "no bank");
}

TEST_F(StorageFault, AReadOnlyFileSystem) {
  test::SmallDisk::run(folder_.path() / "disk", size_t{8} << 20, [](const test::SmallDisk& disk) {
    const std::string bank = copy_to(disk.path() / "bank");
    disk.make_read_only();
    for (const Command& command : readers(bank)) {
      const ToolResult result = run(command);
      EXPECT_EQ(result.code, 0) << command.words[0] << ": " << result.err;
    }
    for (const Command& command : writers(bank)) {
      expect_refused(command, 1, "Read-only file system");
    }
  });
}

TEST_F(StorageFault, ASecondWriter) {
  const std::string bank = copy_to(folder_.path() / "bank");
  const auto writer =
      membank::Bank::open(bank, {.mode = membank::OpenMode::write, .fingerprint = std::nullopt});
  for (const Command& command : writers(bank)) {
    expect_refused(command, 1, "is being written by process " + std::to_string(::getpid()));
  }
  for (const Command& command : readers(bank)) EXPECT_EQ(run(command).code, 0) << command.words[0];
  EXPECT_EQ(writer->snapshot()->stats().documents, 2);
}

TEST_F(StorageFault, ABankOfAnotherModel) {
  using membank::Fingerprint;
  const Fingerprint own = membank::Bank::open(prepared(), {})->fingerprint();
  const std::vector<std::pair<std::string, std::function<void(Fingerprint&)>>> changes = {
      {"tokenizer",
       [](Fingerprint& f) { f.tokenizer.back() = f.tokenizer.back() == '0' ? '1' : '0'; }},
      {"writer", [](Fingerprint& f) { f.writer.back() = f.writer.back() == '0' ? '1' : '0'; }},
      {"memory_layer", [](Fingerprint& f) { ++f.memory_layer; }},
      {"kv_heads", [](Fingerprint& f) { f.kv_heads *= 2; }},
      {"head_dim", [](Fingerprint& f) { f.head_dim *= 2; }},
      {"chunk_tokens", [](Fingerprint& f) { f.chunk_tokens *= 2; }},
      {"embedder", [](Fingerprint& f) { f.embedder = "pooled"; }},
      {"embedder_dim", [](Fingerprint& f) { f.embedder_dim *= 2; }}};
  for (const auto& [field, change] : changes) {
    Fingerprint other = own;
    change(other);
    const std::string bank = folder_ / field;
    membank::Bank::open(bank, {.mode = membank::OpenMode::write, .fingerprint = other})
        ->update([](membank::Transaction& t) { t.set_blob("model", reference_model()); });
    for (const Command& command : {writers(bank)[0], writers(bank)[5], chat(bank, {})}) {
      expect_refused(command, 1, "has " + field + " ");
    }
    expect_refused({"memlong-bank", {"import", "--from", prepared(), "--bank", bank}}, 1,
                   "has " + field + " ");
  }
}

TEST_F(StorageFault, ABankOfALaterFormat) {
  const std::string bank = copy_to(folder_.path() / "bank");
  {
    const auto env = membank::Env::open(bank, true, size_t{1} << 20);
    membank::Txn txn(env, true);
    const std::string manifest =
        replaced(membank::encode_manifest(membank::Bank::open(prepared(), {})->fingerprint()),
                 "\"version\":1", "\"version\":2");
    txn.put(membank::Db::meta, "manifest", membank::seal("manifest", manifest));
    txn.commit();
  }
  for (const auto& commands : {readers(bank), writers(bank)}) {
    for (const Command& command : commands) {
      expect_refused(command, 1, "has format version 2; this program reads version 1");
    }
  }
}

TEST_F(StorageFault, ADataFileCutShort) {
  const std::string bank = folder_ / "bank";
  const auto size = std::filesystem::file_size(copy_to(bank) + "/data.mdb");
  for (const uintmax_t left :
       {uintmax_t{0}, uintmax_t{1}, uintmax_t{4096}, uintmax_t{8191}, size / 3, size / 2}) {
    copy_to(bank);
    std::filesystem::resize_file(bank + "/data.mdb", left);
    for (const Command& command : readers(bank)) expect_refused(command, 1, "data.mdb");
    for (const Command& command : writers(bank)) expect_refused(command, 1, "data.mdb");
    EXPECT_EQ(std::filesystem::file_size(bank + "/data.mdb"), left) << "left as it is";
  }
}

TEST_F(StorageFault, AnEmptyDataFileIsDamagedAndNoNewBank) {
  const std::string bank = copy_to(folder_.path() / "bank");
  std::filesystem::resize_file(bank + "/data.mdb", 0);
  for (const auto& commands : {readers(bank), writers(bank)}) {
    for (const Command& command : commands) {
      expect_refused(command, 1, "data.mdb is damaged (the file is empty); restore it from a copy");
    }
  }
}

TEST_F(StorageFault, ADamagedOrStaleIndexIsBuiltAnew) {
  const std::string bank = copy_to(folder_.path() / "bank");
  const std::string index = bank + "/index.hnsw.snapshot";
  const auto retrieved = [&] {
    const ToolResult result = run(chat(
        bank, {"--session", "s", "--read-all", "--index", "hnsw", "--json", "--predict", "1"}));
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.err, "");
    json chunks = json::array();
    const json said = json::parse(result.out, nullptr, false);
    for (const auto& chunk : said["retrieved"]) chunks.push_back(chunk["chunk"]);
    const ToolResult gone =
        run_tool("memlong-bank", {"forget", "--name", "s", "--yes", "--bank", bank, "--quiet"});
    EXPECT_EQ(gone.code, 0) << gone.err;
    return chunks;
  };
  const json wanted = retrieved();
  ASSERT_FALSE(wanted.empty());
  const std::string good = slurp(index);
  ASSERT_GT(good.size(), 1000U);
  std::string flipped = good;
  flipped[good.size() / 2] = static_cast<char>(flipped[good.size() / 2] ^ 4);
  for (const std::string& content :
       {flipped, good.substr(0, good.size() / 2), std::string("x"), std::string(), good + "more"}) {
    std::ofstream(index, std::ios::binary | std::ios::trunc) << content;
    EXPECT_EQ(retrieved(), wanted);
    EXPECT_GE(slurp(index).size(), good.size() / 2 + 1) << "written anew";
    EXPECT_NE(slurp(index), content);
  }
  // Of a time before a document went: what it held is not found again.
  ASSERT_EQ(run({"memlong-bank", {"forget", "1", "--yes", "--bank", bank, "--quiet"}}).code, 0);
  std::ofstream(index, std::ios::binary | std::ios::trunc) << good;
  const auto left = membank::Bank::open(bank, {})->snapshot()->document_chunks(2);
  for (const auto& chunk : retrieved()) EXPECT_GE(chunk.get<uint64_t>(), left.front().id);
}

/// Every reading command on damaged banks: right output, or one line and exit code 1.
TEST_F(StorageFault, FlippedBits) {
  const char* wanted = std::getenv("MEMLONG_TEST_TOOL_FLIPS");
  const int flips = wanted == nullptr ? 12 : std::atoi(wanted);
  const std::string bank = copy_to(folder_.path() / "bank");
  std::vector<std::string> good;
  for (const Command& command : readers(bank)) good.push_back(run(command).out);
  const std::string bytes = slurp(bank + "/data.mdb");
  std::mt19937_64 random(3);
  int refused = 0;
  for (int i = 0; i < flips; ++i) {
    const uint64_t page = random() % (bytes.size() / 4096);
    const uint64_t at = page * 4096 + (i % 2 == 0 ? random() % 64 : random() % 4096);
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1U << random() % 8));
    std::ofstream(bank + "/data.mdb", std::ios::binary | std::ios::trunc) << damaged;
    SCOPED_TRACE("byte " + std::to_string(at));
    const std::vector<Command> commands = readers(bank);
    const bool noticed = run(commands[4]).code == 1;
    refused += noticed ? 1 : 0;
    for (size_t c = 0; c < commands.size(); ++c) {
      const ToolResult result = run(commands[c]);
      EXPECT_TRUE(result.code == 0 || result.code == 1)
          << commands[c].words[0] << " ended with " << result.code << ": " << result.err;
      EXPECT_TRUE(noticed || result.code == 0) << commands[c].words[0] << ": " << result.err;
      EXPECT_LE(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
      if (result.code == 0) {
        EXPECT_EQ(result.out, good[c]) << commands[c].words[0];
      }
    }
  }
  std::printf("%d flips, %d noticed by verify\n", flips, refused);
  EXPECT_GT(refused, flips / 6);
}

}  // namespace
}  // namespace memlong::tools_test
