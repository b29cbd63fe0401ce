// A document that is forgotten and compacted away with the tools leaves nothing in the bank's
// folder, and nobody finds it any more.
#include <algorithm>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "membank/bank.h"
#include "support/paths.h"
#include "tools/open_talk.h"

namespace memlong::tools_test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using Words = std::vector<std::string>;

ToolResult run(const std::string& tool, const Words& words) {
  ToolResult result = run_tool(tool, words);
  EXPECT_EQ(result.code, 0) << tool << " " << words[0] << ": " << result.err;
  return result;
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string replaced_lines(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

/// Pieces of what the bank holds of a document, as they stand on the disk.
std::vector<std::string> pieces_of(const std::string& folder, membank::DocumentId id) {
  const auto bank = membank::Bank::open(folder, {});
  const auto s = bank->snapshot();
  const membank::Fingerprint& f = bank->fingerprint();
  std::vector<std::string> pieces;
  const std::string text = s->text(id);
  for (size_t i = 0; i + 24 <= text.size(); i += 12) pieces.push_back(text.substr(i, 24));
  for (const membank::ChunkInfo& info : s->document_chunks(id)) {
    const std::vector<int32_t> ids = s->chunk_tokens(info.id);
    for (size_t i = 0; i + 5 <= ids.size(); ++i) {
      pieces.push_back(bytes_of(std::vector<int32_t>(ids.begin() + i, ids.begin() + i + 5)));
    }
    const std::vector<float> vector = s->chunk_vector(info.id);
    std::vector<uint16_t> halves;
    for (const float value : vector) halves.push_back(f16(value).bits);
    for (size_t i = 0; i + 8 <= vector.size(); i += 8) {
      pieces.push_back(bytes_of(std::vector<uint16_t>(halves.begin() + i, halves.begin() + i + 8)));
      // The search index keeps them whole.
      pieces.push_back(bytes_of(std::vector<float>(vector.begin() + i, vector.begin() + i + 8)));
    }
    const Tensor k({f.kv_heads, info.tokens, f.head_dim}, f.kv_dtype);
    const Tensor v(k.shape(), f.kv_dtype);
    EXPECT_TRUE(s->read_kv(info.id, k, v));
    for (const Tensor& values : {k, v}) {
      const std::string raw(static_cast<const char*>(values.view().raw()), values.bytes());
      for (size_t i = 0; i + 32 <= raw.size(); i += 32) pieces.push_back(raw.substr(i, 32));
    }
  }
  return pieces;
}

/// What two documents have in common (K and V of their first token, <s>) stays with the other one.
std::vector<std::string> without(std::vector<std::string> pieces,
                                 const std::vector<std::string>& others) {
  const std::set<std::string_view> known(others.begin(), others.end());
  std::erase_if(pieces, [&](const std::string& piece) { return known.contains(piece); });
  return pieces;
}

/// How many of the pieces stand in files of the folder; pieces by their length.
size_t found_in(const std::string& folder, const std::vector<std::string>& pieces) {
  std::map<size_t, std::set<std::string_view>> by_length;
  for (const std::string& piece : pieces) by_length[piece.size()].insert(piece);
  std::set<std::string_view> found;
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    files.push_back(slurp(entry.path()));
  }
  for (const std::string& file : files) {
    for (const auto& [length, wanted] : by_length) {
      for (size_t i = 0; i + length <= file.size(); ++i) {
        const auto hit = wanted.find(std::string_view(file).substr(i, length));
        if (hit != wanted.end()) found.insert(*hit);
      }
    }
  }
  return found.size();
}

TEST(DeletionTool, ForgetAndCompactLeaveNothing) {
  const TempFolder folder;
  const std::string bank = folder / "bank";
  const std::string novel = slurp(test::source_dir() + "/examples/novel.txt");
  const std::string keep = folder.write("keep.txt", novel.substr(0, 3000));
  const std::string secret = folder.write("secret.txt", novel.substr(90000, 4000));
  const Words model = {"--bank", bank, "--model", reference_model(), "--quiet"};
  const auto with_model = [&](Words words) {
    words.insert(words.end(), model.begin(), model.end());
    return words;
  };
  run("memlong-ingest", with_model({keep, secret, "--commit-chunks", "4"}));
  // A talk that reads the bank: its index is kept in the folder, vectors and all.
  run("memlong-chat", with_model({"--session", "s", "--prompt", "Hello", "--predict", "2",
                                  "--greedy", "--history", "", "--index", "hnsw", "--read-all"}));
  const std::string snapshot = bank + "/index.hnsw.snapshot";
  ASSERT_TRUE(std::filesystem::exists(snapshot));
  std::filesystem::copy_file(snapshot, snapshot + ".tmp4711");  // of a process that was killed
  const std::vector<std::string> kept = pieces_of(bank, 1);
  const std::vector<std::string> pieces = without(pieces_of(bank, 2), kept);
  ASSERT_GT(pieces.size(), 1000U);
  ASSERT_GT(found_in(bank, pieces), pieces.size() / 2) << "the search finds what is there";
  const size_t kept_before = found_in(bank, kept);

  run("memlong-bank", {"forget", "2", "--yes", "--bank", bank, "--quiet"});
  run("memlong-bank", {"compact", "--bank", bank, "--quiet"});
  EXPECT_EQ(found_in(bank, pieces), 0U);
  EXPECT_GT(found_in(bank, kept), kept_before / 2);
  EXPECT_EQ(
      json::parse(run("memlong-bank", {"verify", "--bank", bank, "--json", "--quiet"}).out)["ok"],
      true);
  const ToolResult hits =
      run("memlong-bank", {"search", novel.substr(90000, 200), "--bank", bank, "--json"});
  for (const json& hit : json::parse(hits.out)) EXPECT_NE(hit["document"], 2);
  const ToolResult said =
      run("memlong-chat",
          with_model({"--session", "s", "--prompt", novel.substr(90000, 200), "--json", "--predict",
                      "2", "--greedy", "--history", "", "--index", "hnsw", "--read-all"}));
  const json answer = json::parse(said.out);
  for (const json& chunk : answer.at("retrieved")) EXPECT_NE(chunk.at("document"), 2);
}

/// A chat that had the bank open, index and all, does not find what another process took away.
TEST(DeletionTool, OpenChatsForgetToo) {
  for (const std::string index : {"flat", "hnsw"}) {
    const TempFolder folder;
    const std::string bank = folder / "bank";
    const std::string novel = slurp(test::source_dir() + "/examples/novel.txt");
    const json keep = {{"name", "kept"}, {"text", novel.substr(0, 3000)}};
    const json secret = {{"name", "secret"}, {"text", novel.substr(90000, 4000)}};
    const std::string rows = folder.write("rows.jsonl", keep.dump() + "\n" + secret.dump() + "\n");
    run("memlong-ingest", {rows, "--bank", bank, "--model", reference_model(), "--quiet"});
    OpenTalk talk(folder, {"--bank", bank, "--model", reference_model(), "--quiet", "--greedy",
                           "-n", "2", "--index", index, "--read-all"});
    const std::string query = novel.substr(90100, 60);
    const std::string search = "/search " + replaced_lines(query);
    talk.say(search);
    EXPECT_THAT(talk.hear("\n"), HasSubstr("secret")) << index;
    talk.say("Hello there, who are you?");
    (void)talk.hear("\n");
    talk.say("/why");
    run("memlong-bank", {"forget", "2", "--yes", "--bank", bank, "--quiet"});
    (void)talk.hear("\n");
    talk.say(search);
    const std::string between = talk.hear("kept");
    EXPECT_THAT(between, Not(HasSubstr("secret"))) << index << ", forgotten";
    run("memlong-bank", {"compact", "--bank", bank, "--quiet"});
    talk.say(search);
    EXPECT_THAT(talk.hear("kept"), Not(HasSubstr("secret"))) << index << ", compacted";
    talk.say(replaced_lines(novel.substr(90000, 600)));
    (void)talk.hear("\n");
    talk.say("/why");
    const ToolResult ended = talk.end();
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(ended.err, "");
    EXPECT_THAT(ended.out, Not(HasSubstr("secret"))) << index << ", answered";
    EXPECT_THAT(ended.out, Not(HasSubstr("(gone)"))) << index;
  }
}

}  // namespace
}  // namespace memlong::tools_test
