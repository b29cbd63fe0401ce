// What memlong-train is given: recipes, data, checkpoints to go on from, adapters of PEFT.
#include <functional>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "support/paths.h"
#include "tools/doctored_model.h"
#include "tools/refusal.h"

namespace memlong::tools_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string deep() { return std::string(100000, '[') + std::string(100000, ']'); }

/// A small run of the reference model, in parts of a recipe that can be replaced.
class BadTraining : public testing::Test {
 protected:
  void SetUp() override {
    if (!tool_exists("memlong-train")) GTEST_SKIP() << "memlong-train is not built";
    const std::string novel = slurp(test::source_dir() + "/examples/novel.txt");
    text_ = folder_.write("text.txt", novel.substr(0, 6000));
  }

  [[nodiscard]] std::string recipe() const {
    return "model = \"" + reference_model() +
           "\"\nadapter = \"none\"\nchunk = 16\nwindow = 64\noverlap = 32\nthreads = 1\n"
           "[run]\ntrain = \"lora\"\nlora-rank = 2\nout = \"" +
           folder_ / "run" +
           "\"\nform = \"pairs\"\nrows = 1\nspan = \"32\"\npast = \"32\"\nsteps = 2\nwarmup = 0\n"
           "peak = false\ndata = [\"text:" +
           text_ + "\"]\n";
  }
  [[nodiscard]] std::vector<std::string> run_with(const std::string& content) const {
    return {"run", "--quiet", "--config", folder_.write("recipe.toml", content)};
  }
  void refused(const std::string& content, int code, const std::string& says) const {
    SCOPED_TRACE(says);
    expect_refused("memlong-train", run_with(content), code, says);
  }
  void replacing(const std::string& from, const std::string& to, int code,
                 const std::string& says) const {
    refused(replaced(recipe(), from, to), code, says);
  }
  void adding(const std::string& line, const std::string& says, int code = 2) const {
    refused(recipe() + line + "\n", code, says);
  }

  TempFolder folder_;
  std::string text_;
};

TEST_F(BadTraining, RecipesWithWhatIsUnknown) {
  adding("lerning-rate = 1", "unknown key 'run.lerning-rate'");
  adding("[rum]\nsteps = 1", "unknown table [rum]");
  refused("colour = 1\n" + recipe(), 2, "unknown key 'colour'");
  adding("steps = 3", "cannot redefine existing integer 'steps'");
  adding("[run.data]\nx = 1", "not TOML");
  refused(std::string("\0\1\xff", 3), 2, "line 1: not TOML");
  replacing("[run]", "[run", 2, "not TOML");
  replacing("\"lora\"", "\"sideways\"", 2, "'sideways' is none of upper, lora, all");
  replacing("\"lora\"", "5", 2, "'5' is none of upper, lora, all");
}

TEST_F(BadTraining, RecipesWithAbsurdValues) {
  replacing("steps = 2", "steps = 0", 2, "key run.steps of");
  replacing("steps = 2", "steps = -1", 2, "-1 is not between 1 and");
  replacing("steps = 2", "steps = 9223372036854775807", 2, "is not between 1 and");
  replacing("steps = 2", "steps = 1e30", 2, "is not a whole number");
  replacing("rows = 1", "rows = 0", 2, "key run.rows of");
  replacing("lora-rank = 2", "lora-rank = 0", 2, "0 is not between 1 and 65536");
  replacing("lora-rank = 2", "lora-rank = 60000", 2, "larger than the layers themselves");
  replacing("span = \"32\"", "span = \"-3\"", 2, "'-3' is no schedule");
  replacing("span = \"32\"", "span = \"nan\"", 2, "'nan' is no schedule");
  replacing("span = \"32\"", "span = \"1e300\"", 2, "'1e300' is no schedule");
  replacing("span = \"32\"", "span = \"65\"", 2, "must be from 2 to 64 tokens");
  replacing("past = \"32\"", "past = \"0\"", 2, "must be from 1 to 64 tokens");
  replacing("out = \"" + folder_ / "run" + "\"", "out = \"\"", 2, "--out must not be empty");
  for (const char* line : {"lr = nan", "lr = inf", "lr = \"fast\""}) adding(line, "not a number");
  adding("lr = -1.0", "-1.0 is not between 0 and 10");
  for (const char* key : {"beta1", "beta2", "momentum"}) {
    adding(std::string(key) + " = 1.0", "1.0 is not between 0 and");
  }
  adding("eps = 0.0", "key run.eps of");
  adding("gap = \"1e300\"", "is no schedule");
  adding("distractors = \"1e300\"", "is no schedule");
  adding("without-memory = \"1.5\"", "a share from 0 to 1");
  adding("weight-text = 1e300", "key run.weight-text of");
  adding("seed = -1", "a whole number of 0 or more");
  adding("keep = 0", "key run.keep of");
}

TEST_F(BadTraining, DataThatIsNotThere) {
  const auto data = [&](const std::string& word, int code, const std::string& says) {
    replacing("\"text:" + text_ + "\"", "\"" + word + "\"", code, says);
  };
  data("pictures:x", 2, "must be KIND:PATH");
  data("text:", 2, "names no path");
  data("text:x:-1", 2, "the weight must be above 0");
  data("text:" + folder_ / "none", 2, "none: no such file or folder");
  fs::create_symlink("loop", folder_ / "loop");
  data("text:" + folder_ / "loop", 1, "loop: Too many levels of symbolic links");
  fs::create_directory(folder_ / "empty");
  data("text:" + folder_ / "empty", 1, "no *.txt file below this folder");
  (void)folder_.write("mixed/a.txt", "A text.\n");
  fs::create_symlink("gone", folder_ / "mixed/b.txt");
  data("text:" + folder_ / "mixed", 1, "mixed/b.txt: No such file or directory");
  data("dialogs:" + folder_ / "mixed", 1, "a folder; name the file of JSON lines");
  const std::string pipe = folder_ / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  data("jsonl:" + pipe, 1, "pipe: a pipe that nobody writes to");
  data("text:/dev/zero", 1, "/dev/zero: a device, not a text");
}

TEST_F(BadTraining, LinesOfDataThatAreBad) {
  const std::string good =
      R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})";
  const auto line = [&](const std::string& kind, const std::string& bad, const std::string& says) {
    const std::string file = folder_.write("data.jsonl", good + "\n" + bad + "\n");
    replacing("\"text:" + text_ + "\"", "\"" + kind + ":" + file + "\"", 1, "data.jsonl:" + says);
  };
  const auto dialog = [&](const std::string& bad, const std::string& says) {
    line("dialogs", bad, "2: " + says);
  };
  dialog("nonsense", "not JSON (byte 1)");
  dialog("[]", "not a JSON object");
  dialog(good.substr(0, 30), "not JSON (byte 30)");
  dialog("{\"messages\": 1e999}", "not JSON (a number is out of range)");
  dialog("{\"messages\": " + deep() + "}", "not JSON that is read");
  dialog("{\"messages\": \"caf\xe9\"}", "not UTF-8: byte 17");
  dialog(R"({"text": "x"})", "neither \"messages\" nor \"turns\"");
  dialog(replaced(good, "\"user\"", R"("\u001b[2J")"), "role \"\\x1b[2J\" is not known");
  dialog(replaced(good, "\"b\"", "7"), "message 1 has no string \"content\"");
  const auto probe = [&](const std::string& fields, const std::string& says) {
    dialog(good.substr(0, good.size() - 1) + ", " + fields + "}", says);
  };
  probe(R"("probes": {})", "\"probes\" is no list");
  probe(R"("probes": [{"turn": 0}])", "a probe that names no answer of the dialog");
  probe(R"("probes": [{"turn": 1.5}])", "\"turn\" must be a number of a turn");
  probe(R"("probes": [{"turn": 18446744073709551615}])", "\"turn\" must be a number of a turn");
  probe(R"("topics": [5])", "\"topics\" is no list of strings");
  line("jsonl", good, "1: no string \"text\"");
}

/// A run with a checkpoint, made once; each test damages a copy of it.
class BadCheckpoint : public BadTraining {
 protected:
  void SetUp() override {
    BadTraining::SetUp();
    if (IsSkipped()) return;
    const ToolResult made = run_tool("memlong-train", run_with(recipe()));
    ASSERT_EQ(made.code, 0) << made.err;
    fs::copy(folder_ / "run", folder_ / "whole", fs::copy_options::recursive);
  }

  /// Going on and, with `exports`, exporting are both refused.
  void damaged(const std::function<void()>& damage, const std::string& says, bool exports = true) {
    SCOPED_TRACE(says);
    fs::remove_all(folder_ / "run");
    fs::copy(folder_ / "whole", folder_ / "run", fs::copy_options::recursive);
    damage();
    expect_refused("memlong-train", run_with(recipe()), 1, says);
    if (!exports) return;
    expect_refused("memlong-train", {"export", "--run", folder_ / "run", "--out", folder_ / "out"},
                   1, says);
  }
  void changed(const std::string& file, const std::function<void(std::string&)>& change,
               const std::string& says) {
    const std::string path = "run/checkpoint-000002/" + file;
    damaged(
        [&] {
          std::string content = slurp(folder_ / path);
          change(content);
          (void)folder_.write(path, content);
        },
        says);
  }
};

TEST_F(BadCheckpoint, DamagedFiles) {
  for (const std::string file : {"parameters.safetensors", "optimizer.safetensors"}) {
    changed(
        file, [](std::string& c) { c.resize(c.size() / 2); }, file + ": ");
    changed(
        file, [](std::string& c) { c.clear(); }, file + ": 0 bytes, not ");
    changed(
        file, [](std::string& c) { c[c.size() / 2] ^= 1; }, "the checksum does not fit");
    damaged([&] { fs::remove(folder_ / "run/checkpoint-000002/" + file); }, "has no " + file);
  }
  const auto state = [&](const std::function<void(std::string&)>& change, const std::string& says) {
    changed("state.json", change, "state.json: " + says);
  };
  state([](std::string& c) { c.clear(); }, "is not a JSON object");
  state([](std::string& c) { c.resize(50); }, "is not a JSON object");
  state([](std::string& c) { c = replaced(c, "\"step\": 2", "\"step\": 1"); }, "the checksum");
  state([](std::string& c) { c = replaced(c, "\"step\": 2", "\"step\": 1e999"); }, "is not a JSON");
  state([](std::string& c) { c = "{\"format\": " + deep() + "}"; }, "objects and lists stand");
  state([](std::string& c) { c = replaced(c, "memlong-checkpoint", "another"); },
        "is not the state of a checkpoint");
}

TEST_F(BadCheckpoint, ForeignOnes) {
  const std::string mine = folder_ / "run/checkpoint-000002";
  damaged([&] { fs::rename(mine, folder_ / "run/checkpoint-000007"); },
          "holds step 2, not the one of its name");
  damaged([&] { (void)folder_.write("run/checkpoint-000009/README", "?"); },
          "checkpoint-000009 has no state.json");
  damaged([&] { (void)folder_.write("run/run.json", "{\"identity\": " + deep() + "}"); },
          "run.json: objects and lists", false);
  // The checkpoint of a run with another seed: its own fingerprint tells.
  const std::string other = replaced(recipe(), "/run\"", "/other\"") + "seed = 77\n";
  ASSERT_EQ(run_tool("memlong-train", run_with(other)).code, 0);
  const auto exchange = [&] {
    fs::remove_all(mine);
    fs::copy(folder_ / "other/checkpoint-000002", mine);
  };
  damaged(exchange, "was made with another recipe, model or data", false);
  damaged(
      [&] {
        exchange();
        (void)folder_.write("run/run.json", "{\"identity\": 5}");
      },
      "was made with another recipe, model or data", false);
  (void)folder_.write("file", "no folder");
  refused(replaced(recipe(), "/run\"", "/file\""), 1, "file: Not a directory");
  (void)folder_.write("run/recipe.toml", "[run]\nsteps = -2\n");
  expect_refused("memlong-train", {"export", "--run", folder_ / "run", "--out", "x"}, 2,
                 "recipe.toml: -2 is not between");
}

class BadPeft : public testing::Test {
 protected:
  void SetUp() override {
    if (!tool_exists("memlong-train")) GTEST_SKIP() << "memlong-train is not built";
  }

  void refused(const std::string& config, const std::optional<std::string>& tensors,
               const std::string& says) const {
    SCOPED_TRACE(says);
    fs::remove_all(folder_ / "adapter");
    (void)folder_.write("adapter/adapter_config.json", config);
    if (tensors) (void)folder_.write("adapter/adapter_model.safetensors", *tensors);
    expect_refused("memlong-train",
                   {"merge", "--model", reference_model(), "--adapter", folder_ / "adapter",
                    "--out", folder_ / "merged"},
                   1, says);
    EXPECT_FALSE(fs::exists(folder_ / "merged"));
  }
  void with(const json& fields, const std::string& says) const {
    json config = config_;
    config.update(fields);
    refused(config.dump(), tensors("model.layers.5.self_attn.q_proj"), says);
  }

  /// A LoRA of rank 2 for a layer of 256 x 256.
  static std::string tensors(const std::string& layer) {
    const std::string name = "base_model.model." + layer + ".lora_";
    const json header = {
        {name + "A.weight", {{"dtype", "F32"}, {"shape", {2, 256}}, {"data_offsets", {0, 2048}}}},
        {name + "B.weight",
         {{"dtype", "F32"}, {"shape", {256, 2}}, {"data_offsets", {2048, 4096}}}}};
    return TensorFile::bytes(header.dump(), std::string(4096, '\0'));
  }

  TempFolder folder_;
  json config_ = {{"peft_type", "LORA"}, {"r", 2}, {"lora_alpha", 4}, {"bias", "none"}};
};

TEST_F(BadPeft, SettingsThatAreNotRead) {
  with({{"peft_type", "IA3"}}, "peft_type is 'IA3'; only LORA is read");
  with({{"use_dora", true}}, "use_dora asks for DoRA");
  with({{"bias", "all"}}, "bias is not \"none\"");
  with({{"fan_in_fan_out", true}}, "asks for transposed weights");
  with({{"layer_replication", {{0, 4}}}}, "asks for replicated layers");
  with({{"init_lora_weights", "pissa"}}, "init_lora_weights is 'pissa', which changes the base");
  with({{"rank_pattern", {{"^(a|b)$", 3}}}}, "rank_pattern has the pattern \"^(a|b)$\"");
}

TEST_F(BadPeft, SettingsThatCannotBe) {
  for (const json& rank : {json(0), json(-1), json(1000000000000)}) {
    with({{"r", rank}}, "r is " + rank.dump() + "; it must be from 1 to 65536");
  }
  with({{"r", 8}}, "has rank 2; adapter_config.json says 8");
  with({{"lora_alpha", 1e300}}, "lora_alpha is 1e+300");
  const std::string good = tensors("model.layers.5.self_attn.q_proj");
  refused("{", good, "adapter_config.json is not valid JSON");
  refused("", good, "adapter_config.json is not valid JSON");
  refused("{\"peft_type\": \"LORA\", \"r\": " + deep() + "}", good, "objects and lists stand");
  refused(config_.dump(), std::nullopt, "has no adapter_model.safetensors");
  refused(config_.dump(), "", "too short for a safetensors file");
  refused(config_.dump(), good.substr(0, good.size() - 1), "cut short");
  refused(config_.dump(), tensors("model.layers.99.self_attn.q_proj"), "is not in the model");
  refused(config_.dump(), tensors("model.layers.1.self_attn.q_proj"), "belongs to the writer");
  refused(config_.dump(), tensors("model.layers.5.mlp.up_proj"), "has shape");
}

TEST_F(BadPeft, LogsThatCannotBeDrawn) {
  const auto plot = [&](const std::string& content, const std::string& says) {
    SCOPED_TRACE(says);
    expect_refused("memlong-train",
                   {"plot", folder_.write("run/log.jsonl", content), "--out", folder_ / "x.svg"}, 1,
                   "log.jsonl " + says);
  };
  const std::string good = "{\"step\": 1, \"loss\": 2.5}\n";
  plot("", "holds no steps");
  plot(good + "nonsense\n" + good, "line 2 is no line of a training log");
  plot("{\"step\": \"x\"}\n" + good, "line 1 is no line");
  plot("{\"step\": 1, \"loss\": 2, \"answers\": \"x\"}\n" + good, "line 1 is no line");
  plot("{\"step\": 1, \"evaluation\": \"a\", \"with_memory\": [1]}\n" + good, "line 1 is no line");
  plot("{\"step\": 1, \"evaluation\": \"a\", \"with_memory\": " + deep() + "}\n" + good,
       "line 1: objects and lists stand");
}

}  // namespace
}  // namespace memlong::tools_test
