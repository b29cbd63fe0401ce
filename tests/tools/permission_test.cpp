// Models, banks, texts and folders that the user may not read or write.
#include <gtest/gtest.h>

#include "support/paths.h"
#include "support/plain_user.h"
#include "tools/doctored_model.h"
#include "tools/refusal.h"

namespace memlong::tools_test {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

class Permission : public testing::Test {
 protected:
  void SetUp() override {
    if (!tool_exists("memlong-chat")) GTEST_SKIP() << "memlong-chat is not built";
    text_ = folder_.write("a.txt", "The farmer walked to the market.\n");
    const ToolResult made = run_tool(
        "memlong-ingest", {text_, "--bank", bank(), "--model", reference_model(), "--quiet"});
    ASSERT_EQ(made.code, 0) << made.err;
  }
  void TearDown() override { allow(folder_.path()); }

  [[nodiscard]] std::string bank() const { return folder_ / "bank"; }
  static Words chat(const std::string& model, const Words& more = {}) {
    Words words = {"--model", model, "--prompt", "Hi", "-n", "1", "--quiet", "--history", ""};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  static void forbid(const fs::path& path) { fs::permissions(path, fs::perms::none); }
  static void allow(const fs::path& path) {
    fs::permissions(path, fs::perms::owner_all, fs::perm_options::add);
  }
  static void as_plain_user(const TempFolder& folder, const std::function<void()>& test) {
    test::as_plain_user(
        folder.path(),
        {reference_model() + "/model.safetensors", test::bin_dir() + "/memlong-ingest"}, test);
  }
  /// Refused while nothing may be done with the path.
  static void without(const fs::path& path, const std::string& tool, const Words& words,
                      const std::string& says) {
    SCOPED_TRACE(tool + " " + words[0] + " without " + path.string());
    forbid(path);
    expect_refused(tool, words, 1, says);
    allow(path);
  }

  TempFolder folder_;
  std::string text_;
};

TEST_F(Permission, Models) {
  const ModelFiles own = {{"generation_config.json", "{}"},
                          {"memlong.toml", slurp(reference_model() + "/memlong.toml")},
                          {"config.json", config_with({})}};
  const std::string model = doctored_model(folder_, own);
  fs::create_directory(folder_ / "adapter");
  as_plain_user(folder_, [&] {
    const Words words = chat(model, {"--adapter", "none"});
    without(model, "memlong-chat", words, "cannot open " + model + "/config.json: Permission");
    for (const auto& [name, content] : own) {
      without(fs::path(model) / name, "memlong-chat", words, name + ": Permission denied");
    }
    without(folder_ / "adapter", "memlong-chat", chat(model, {"--adapter", folder_ / "adapter"}),
            "cannot look into " + folder_ / "adapter" + ": Permission denied");
  });
}

TEST_F(Permission, Banks) {
  as_plain_user(folder_, [&] {
    const Words ingest = {text_,     "--namespace",     "new",    "--bank", bank(),
                          "--model", reference_model(), "--quiet"};
    const Words in_session = chat(reference_model(), {"--bank", bank(), "--session", "s"});
    const Words forget = {"forget", "1", "--yes", "--bank", bank(), "--quiet"};
    const Words stats = {"stats", "--bank", bank()};
    for (const fs::path& path : {fs::path(bank()), fs::path(bank()) / "data.mdb"}) {
      without(path, "memlong-bank", stats, "Permission denied");
      without(path, "memlong-bank", forget, "Permission denied");
      without(path, "memlong-chat", chat(reference_model(), {"--bank", bank()}), "Permission den");
      without(path, "memlong-chat", in_session, "Permission denied");
      without(path, "memlong-ingest", ingest, "Permission denied");
    }
    // It may be read where nothing may be written.
    for (const char* name : {"data.mdb", "lock.mdb", "writer.lock"}) {
      fs::permissions(fs::path(bank()) / name, fs::perms::owner_read);
    }
    fs::permissions(bank(), fs::perms::owner_read | fs::perms::owner_exec);
    EXPECT_EQ(run_tool("memlong-bank", stats).code, 0);
    EXPECT_EQ(run_tool("memlong-chat", chat(reference_model(), {"--bank", bank()})).code, 0);
    expect_refused("memlong-bank", forget, 1, "Permission denied");
    expect_refused("memlong-chat", in_session, 1, "Permission denied");
    expect_refused("memlong-ingest", ingest, 1, "Permission denied");
  });
}

TEST_F(Permission, FoldersToWriteIn) {
  fs::create_directory(folder_ / "in");
  as_plain_user(folder_, [&] {
    const std::string in = folder_ / "in";
    without(in, "memlong-ingest", {text_, "--bank", in + "/b", "--model", reference_model()},
            "Permission denied");
    without(in, "memlong-bank", {"export", "--bank", bank(), "--out", in + "/x"},
            "Permission denied");
    without(in, "memlong-bank", {"export", "--bank", bank(), "--kv", in + "/x"},
            "Permission denied");
    if (!tool_exists("memlong-train")) return;
    const Words train = {"run",    "--model",       reference_model(), "--adapter", "none",
                         "--data", "text:" + text_, "--out",           in + "/run", "--quiet"};
    without(in, "memlong-train", train, "cannot create " + in + "/run: Permission denied");
    without(in, "memlong-train", {"export", "--run", in + "/run", "--out", folder_ / "o"},
            "cannot open " + in + "/run/recipe.toml: Permission denied");
    without(in, "memlong-train",
            {"merge", "--model", reference_model(), "--adapter", in + "/a", "--out", folder_ / "o"},
            "Permission denied");
  });
}

TEST_F(Permission, Texts) {
  as_plain_user(folder_, [&] {
    const auto refused = [&](const std::string& tool, Words words, int code) {
      forbid(text_);
      expect_refused(tool, words, code, "a.txt: Permission denied");
      allow(text_);
    };
    refused("memlong-chat", chat(reference_model(), {"--dialog", text_}), 1);
    refused("memlong-chat", chat(reference_model(), {"--config", text_}), 2);
    refused("memlong-eval", {"ppl", "--model", reference_model(), "--text", text_}, 1);
    if (!tool_exists("memlong-train")) return;
    refused(
        "memlong-train",
        {"sif", "--model", reference_model(), "--out", folder_ / "s", "--data", "text:" + text_},
        1);
  });
}

}  // namespace
}  // namespace memlong::tools_test
