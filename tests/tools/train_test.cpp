// memlong-train as users run it, a few steps at a time.
#include <chrono>
#include <signal.h>
#include <thread>

#include "common/error.h"
#include "model/config.h"
#include "model/safetensors.h"
#include "model/weights.h"
#include "ops/copy.h"
#include "support/paths.h"
#include "tools/background_tool.h"
#include "tools/train_tool.h"

namespace memlong::tools_test {
namespace {

using testing::StartsWith;

TEST_F(TrainTool, UpperWritesLogEventsCheckpointAndAdapter) {
  const ToolResult run =
      train("run", "upper",
            {"--json", "--peak", "--eval-every", "2", "--eval-batches", "1", "--eval-data",
             "held=text:" + folder_ / "held.txt", "--eval-data", "talk=dialogs:" + kDialogs});
  ASSERT_EQ(run.code, 0) << run.err;
  const json summary = json::parse(run.out);
  EXPECT_EQ(summary["step"], 4);
  EXPECT_EQ(summary["stopped"], false);
  EXPECT_EQ(summary["artifact"]["writer_unchanged"], true);
  EXPECT_GT(summary["share_of_peak"].get<double>(), 0.0);
  EXPECT_TRUE(summary["evaluations"].contains("held"));
  EXPECT_THAT(run.err, HasSubstr("unchanged: banks of the model stay valid"));

  const auto steps = steps_of(path("run"));
  ASSERT_EQ(steps.size(), 4U);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(steps[i]["step"], i + 1);
  EXPECT_GT(steps[0]["loss"].get<double>(), 1.0);
  EXPECT_EQ(steps[0]["taken"], true);
  EXPECT_GT(steps[0]["tokens"].get<int64_t>(), 0);
  EXPECT_GT(steps[0]["resident_bytes"].get<int64_t>(), 1 << 20);
  const auto all = read_lines(path("run") / "log.jsonl");
  EXPECT_EQ(all.size(), 4U + 2U * 2U);
  const auto held = std::find_if(all.begin(), all.end(), [](const json& row) {
    return row.value("evaluation", "") == "held";
  });
  ASSERT_NE(held, all.end());
  EXPECT_EQ((*held)["step"], 2);
  EXPECT_GT((*held)["with_memory"]["perplexity"].get<double>(), 1.0);

  EXPECT_TRUE(fs::exists(path("run") / "checkpoint-000004"));
  EXPECT_FALSE(fs::is_empty(path("run") / "tensorboard"));
  const model::SafetensorsFile adapter(path("run") / "adapter/upper_layers.safetensors");
  EXPECT_TRUE(adapter.contains("model.layers.7.mlp.up_proj.weight"));
  EXPECT_FALSE(adapter.contains("model.layers.3.mlp.up_proj.weight"));
  EXPECT_EQ(adapter.get("model.norm.weight").dtype(), DType::bf16);
}

TEST_F(TrainTool, ARunThatWasStoppedGoesOnToTheSameEnd) {
  for (const std::string part : {"upper", "lora", "all"}) {
    const std::vector<std::string> more = {"--steps", "8", "--save-every", "5", "--quiet"};
    const ToolResult whole = train(part + "-whole", part, more);
    ASSERT_EQ(whole.code, 0) << whole.err;
    {
      BackgroundTool tool("memlong-train", words(part + "-stopped", part, more));
      while (tool.runs() && steps_of(path(part + "-stopped")).size() < 2) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      const int code = tool.end(SIGTERM);
      EXPECT_TRUE(code == 130 || code == 0) << code;
      EXPECT_FALSE(fs::exists(path(part + "-stopped") / "adapter") && code == 130);
    }
    const ToolResult rest = train(part + "-stopped", part, more);
    ASSERT_EQ(rest.code, 0) << rest.err;
    const auto a = steps_of(path(part + "-whole"));
    const auto b = steps_of(path(part + "-stopped"));
    ASSERT_EQ(a.size(), 8U);
    ASSERT_EQ(b.size(), 8U);
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i]["loss"], b[i]["loss"]) << part << " step " << i + 1;
      EXPECT_EQ(b[i]["step"], i + 1);
    }
    const std::string file = part == "upper"  ? "adapter/upper_layers.safetensors"
                             : part == "lora" ? "adapter/adapter_model.safetensors"
                                              : "model/model.safetensors";
    EXPECT_TRUE(same(path(part + "-whole") / file, path(part + "-stopped") / file)) << part;
    EXPECT_FALSE(slurp(path(part + "-whole") / file).empty());
  }
}

TEST_F(TrainTool, LinesBehindTheCheckpointAreDropped) {
  ASSERT_EQ(train("run", "all", {"--steps", "3"}).code, 0);
  const fs::path log = path("run") / "log.jsonl";
  std::ofstream(log, std::ios::app) << "{\"step\": 9, \"loss\": 1}\n{\"step\": 4, \"lo";
  const ToolResult again = train("run", "all", {"--steps", "3", "--json"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(json::parse(again.out)["steps_now"], 0);
  EXPECT_TRUE(json::parse(again.out)["loss"].is_null()) << "nothing was computed";
  EXPECT_THAT(again.err, HasSubstr("finished already after step 3\n"));
  EXPECT_EQ(steps_of(path("run")).size(), 3U);
}

TEST_F(TrainTool, AllWritesAModelThatOpens) {
  const ToolResult run = train("run", "all", {"--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(json::parse(run.out)["artifact"]["writer_unchanged"], false);
  EXPECT_THAT(run.err, HasSubstr("banks of the old model will not open"));
  const fs::path model = path("run") / "model";
  const json config = json::parse(slurp(model / "config.json"));
  EXPECT_EQ(config["hidden_size"], 256);
  EXPECT_THAT(slurp(model / "memlong.toml"), testing::Not(HasSubstr("adapter")));
  EXPECT_TRUE(fs::exists(model / "sif.safetensors"));
  EXPECT_FALSE(same(model / "sif.safetensors", reference_model() + "/sif.safetensors"));
  const std::string text = folder_ / "held.txt";
  const ToolResult ppl =
      run_tool("memlong-eval", {"ppl", "--model", model.string(), "--text", text, "--lengths",
                                "128", "--last", "64", "--places", "1", "--json"});
  EXPECT_EQ(ppl.code, 0) << ppl.err;
}

TEST_F(TrainTool, BeginsFromAConfigAlone) {
  json config = json::parse(slurp(reference_model() + "/config.json"));
  config["num_hidden_layers"] = 2;
  config["hidden_size"] = 64;
  config["intermediate_size"] = 128;
  const fs::path small = fs::path(folder_.write("small/config.json", config.dump())).parent_path();
  for (const char* name : {"tokenizer.model", "tokenizer_config.json"}) {
    fs::copy_file(fs::path(reference_model()) / name, small / name);
  }
  const ToolResult run = train("run", "all",
                               {"--model", small.string(), "--init", "random", "--form", "plain",
                                "--chunk", "64", "--window", "256", "--overlap", "64", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NEAR(steps_of(path("run"))[0]["plain_loss"].get<double>(), std::log(4096.0), 0.5);
  const model::ModelConfig made = model::load_config(path("run") / "model");
  EXPECT_EQ(made.layers, 2);
  EXPECT_NO_THROW(model::WeightStore::open(path("run") / "model").check(made));
}

TEST_F(TrainTool, ExportGivesWhatTheEndGives) {
  ASSERT_EQ(train("run", "lora").code, 0);
  const ToolResult made = run_tool(
      "memlong-train", {"export", "--run", folder_ / "run", "--out", folder_ / "made", "--json"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(json::parse(made.out)["step"], 4);
  for (const char* name : {"adapter/adapter_model.safetensors", "adapter/adapter_config.json"}) {
    EXPECT_TRUE(same(path("made") / name, path("run") / name)) << name;
  }
}

TEST_F(TrainTool, MergeWritesAPlainModel) {
  for (const std::string part : {"upper", "lora"}) {
    ASSERT_EQ(train(part, part, {"--save-dtype", "f32"}).code, 0);
    const fs::path adapter = path(part) / "adapter";
    const fs::path merged = path(part + "-merged");
    const std::vector<std::string> words = {"merge",         "--model",        reference_model(),
                                            "--adapter",     adapter.string(), "--out",
                                            merged.string(), "--save-dtype",   "f32"};
    const ToolResult run = run_tool("memlong-train", words);
    ASSERT_EQ(run.code, 0) << run.err;
    const model::ModelConfig config = model::load_config(merged);
    model::WeightStore laid = model::WeightStore::open(reference_model());
    laid.overlay_upper(adapter, config, 4);
    const model::WeightStore plain = model::WeightStore::open(merged);
    Context context;
    for (const auto& [name, shape] : model::tensor_shapes(config)) {
      const Tensor want = ops::convert(context, laid.get(name), DType::f32);
      const Tensor got = ops::convert(context, plain.get(name), DType::f32);
      EXPECT_EQ(std::memcmp(want.view().raw(), got.view().raw(), want.bytes()), 0) << name;
    }
    EXPECT_EQ(json::parse(slurp(merged / "config.json"))["torch_dtype"], "float32");
    EXPECT_TRUE(same(merged / "sif.safetensors", reference_model() + "/sif.safetensors"));
    EXPECT_TRUE(fs::exists(merged / "tokenizer.model"));
    expect_error(run_tool("memlong-train", words), 2, "holds a model already");
  }
}

TEST_F(TrainTool, MergeTakesAShareAndLeavesTheWriterAlone) {
  ASSERT_EQ(train("run", "upper", {"--save-dtype", "f32"}).code, 0);
  const fs::path adapter = path("run") / "adapter";
  const std::vector<std::string> words = {
      "merge",        "--model", reference_model(), "--adapter", adapter.string(),
      "--save-dtype", "f32",     "--upper",         "--share",   "0.25",
      "--out",        "",        "--json"};
  const auto merge = [&](const std::string& name) {
    std::vector<std::string> with = words;
    with[11] = path(name).string();
    return run_tool("memlong-train", with);
  };
  const ToolResult run = merge("mean");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(json::parse(run.out)["share"], 0.25);
  EXPECT_FALSE(fs::exists(path("mean") / "config.json"));
  const model::ModelConfig config = model::load_config(reference_model());
  const model::WeightStore untuned = model::WeightStore::open(reference_model());
  const auto writer = model::writer_tensor_names(untuned, 4);
  const model::SafetensorsFile tuned(adapter / "upper_layers.safetensors");
  const model::SafetensorsFile mean(path("mean") / "upper_layers.safetensors");
  Context context;
  size_t moved = 0;
  for (const auto& [name, shape] : model::tensor_shapes(config)) {
    if (std::ranges::binary_search(writer, name)) {
      EXPECT_THROW((void)mean.get(name), memlong::Error) << name;
      continue;
    }
    const Tensor a = ops::convert(context, untuned.get(name), DType::f32);
    const TensorView b = tuned.get(name);
    const TensorView got = mean.get(name);
    ASSERT_EQ(got.shape(), shape) << name;
    for (int64_t i = 0; i < got.elements(); ++i) {
      const double want = 0.75 * a.data<float>()[i] + 0.25 * b.data<float>()[i];
      ASSERT_NEAR(got.data<float>()[i], want, 1e-6) << name << " " << i;
      moved += a.data<float>()[i] != b.data<float>()[i] ? 1 : 0;
    }
  }
  EXPECT_GT(moved, 100'000U);
  expect_error(merge("mean"), 2, "holds an adapter already");
}

TEST_F(TrainTool, SifIsEstimatedAnew) {
  fs::copy(reference_model(), path("model"), fs::copy_options::recursive);
  const ToolResult run = run_tool(
      "memlong-train", {"sif", "--model", folder_ / "model", "--data", "text:" + folder_ / "texts",
                        "--tokens", "5000", "--in-place", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(json::parse(run.out)["tokens"], 5000);
  const model::SafetensorsFile file(path("model") / "sif.safetensors");
  EXPECT_EQ(file.get("token_probability").shape(), Shape({4096}));
  EXPECT_FALSE(same(file.path(), reference_model() + "/sif.safetensors"));
}

TEST_F(TrainTool, SifWritesOverNothingUnasked) {
  const auto sif = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"sif", "--model", reference_model(), "--data",
                               "text:" + folder_ / "texts", "--tokens", "5000", "--json"});
    return run_tool("memlong-train", more);
  };
  const std::string out = folder_ / "new.safetensors";
  expect_error(sif({}), 2, "give --out FILE, or --in-place");
  expect_error(sif({"--out", out, "--in-place"}), 2, "give --out FILE, or --in-place");
  const ToolResult run = sif({"--out", out});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(json::parse(run.out)["path"], out);
  EXPECT_EQ(model::SafetensorsFile(out).get("token_probability").shape(), Shape({4096}));
  expect_error(sif({"--out", out}), 2, "new.safetensors is there already");
}

TEST_F(TrainTool, TooLittleDataIsAWarning) {
  const std::string text = folder_.write("few.txt", "A few words are not enough for a window.");
  const ToolResult run = run_tool("memlong-train", {"run",
                                                    "--model",
                                                    reference_model(),
                                                    "--train",
                                                    "all",
                                                    "--adapter",
                                                    "none",
                                                    "--form",
                                                    "plain",
                                                    "--span",
                                                    "64",
                                                    "--rows",
                                                    "1",
                                                    "--steps",
                                                    "1",
                                                    "--no-peak",
                                                    "--data",
                                                    "text:" + text,
                                                    "--out",
                                                    folder_ / "little"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("warning: --data holds "));
  EXPECT_THAT(run.err, HasSubstr(" tokens, fewer than one item of 64: give more text"));
}

TEST_F(TrainTool, SifIsLearntFromQuestions) {
  fs::copy(reference_model(), path("model"), fs::copy_options::recursive);
  const std::string dialogs = "dialogs:" + test::data_dir() + "/recall-held/changed-8k.jsonl";
  const std::vector<std::string> words = {"sif", "--in-place", "--model", folder_ / "model",
                                          "--data"};
  const auto with = [&words](std::vector<std::string> more) {
    more.insert(more.begin(), words.begin(), words.end());
    return run_tool("memlong-train", more);
  };
  const ToolResult run =
      with({dialogs, "--learn", "--passes", "20", "--window", "512", "--overlap", "128", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const json result = json::parse(run.out);
  EXPECT_EQ(result["questions"], 142);  // two stand in the window yet
  EXPECT_GT(result["found"].get<double>(), result["found_before"].get<double>() + 0.05);
  expect_error(with({"text:" + folder_ / "texts", "--learn"}), 2, "no dialog asks for what");
  expect_error(with({dialogs, "--eval-data", dialogs}), 2, "--eval-data goes with --learn");
  expect_error(with({dialogs, "--vectors"}), 2, "--vectors goes with --learn");
}

TEST_F(TrainTool, PlotDrawsEveryRun) {
  std::string rows;
  for (int step = 1; step <= 30; ++step) {
    rows += "{\"step\": " + std::to_string(step) + ", \"loss\": " + std::to_string(3.0 / step) +
            ", \"answers\": 4, \"exact_answers\": 1}\n";
  }
  rows +=
      "{\"step\": 30, \"evaluation\": \"a<b\", \"with_memory\": {\"perplexity\": 4.5, \"exact\": "
      "0.5}, \"without_memory\": {\"perplexity\": 9.5, \"exact\": null}}\n";
  (void)folder_.write("one/log.jsonl", rows);
  (void)folder_.write("two/log.jsonl", rows + "{\"step\": 31, \"lo");
  const ToolResult run = run_tool(
      "memlong-train",
      {"plot", folder_ / "one", folder_ / "two/log.jsonl", "--out", folder_ / "curves.svg"});
  ASSERT_EQ(run.code, 0) << run.err;
  const std::string svg = slurp(path("curves.svg"));
  EXPECT_THAT(svg, StartsWith("<svg xmlns="));
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  for (const char* text : {">one</text>", ">two</text>", ">Training loss, nats a token</text>",
                           ">Perplexity, a&lt;b</text>", ">Recall: exact answers, a&lt;b</text>"}) {
    EXPECT_THAT(svg, HasSubstr(text));
  }
  EXPECT_THAT(svg, testing::Not(HasSubstr("nan")));
  for (const std::string tag : {"g", "svg", "text", "clipPath"}) {
    const auto count = [&svg](const std::string& what) {
      size_t found = 0;
      for (size_t at = svg.find(what); at != std::string::npos; at = svg.find(what, at + 1))
        ++found;
      return found;
    };
    EXPECT_EQ(count("<" + tag + " ") + count("<" + tag + ">"), count("</" + tag + ">")) << tag;
  }
  (void)folder_.write("bad/log.jsonl", "{}\n" + rows);
  expect_error(run_tool("memlong-train", {"plot", folder_ / "bad", "--out", folder_ / "x.svg"}), 1,
               "line 1 is no line of a training log");
}

TEST_F(TrainTool, MistakesGetOneLine) {
  const std::string recipe = folder_.write("recipe.toml", "[run]\nlerning-rate = 1e-3\n");
  expect_error(run_tool("memlong-train", {"run", "--config", recipe}), 2,
               "unknown key 'run.lerning-rate'");
  expect_error(train("x", "upper", {"--data", "text:/nowhere"}), 2, "/nowhere");
  expect_error(train("x", "upper", {"--data", "pictures:a"}), 2, "KIND:PATH");
  expect_error(train("x", "upper", {"--eval-data", "text:a"}), 2, "NAME=KIND:PATH");
  expect_error(train("x", "upper", {"--distractors", "5:1"}), 2, "no schedule");
  expect_error(train("x", "upper", {"--init", "random"}), 2, "--train all");
  expect_error(train("x", "lora", {"--lora-targets", "qproj"}), 2, "qproj");
  expect_error(train("x", "lora", {"--adapter", reference_model() + "/adapter"}), 2, "merge");
  expect_error(run_tool("memlong-train", {"export", "--run", folder_ / "texts", "--out", "x"}), 2,
               "no recipe.toml");
}

TEST_F(TrainTool, AFolderWithAnotherRunIsRefused) {
  ASSERT_EQ(train("run", "all", {"--steps", "2"}).code, 0);
  const ToolResult other = train("run", "all", {"--steps", "2", "--lr", "2e-3", "--quiet"});
  expect_error(other, 1, "lr 0.001, not 0.002");
  expect_error(train("run", "all", {"--steps", "2", "--fresh", "--quiet"}), 2, "--fresh");
}

}  // namespace
}  // namespace memlong::tools_test
