// Model folders with pytorch_model.bin in place of safetensors: the same answers, the same banks.
#include <cstring>

#include <gtest/gtest.h>

#include "model/safetensors.h"
#include "support/torch_bytes.h"
#include "tools/doctored_model.h"
#include "tools/refusal.h"

namespace memlong::tools_test {
namespace {

using nlohmann::json;

constexpr const char* kSafe = "model.safetensors";
constexpr const char* kTorch = "pytorch_model.bin";

using Named = std::vector<std::pair<std::string, TensorView>>;

Named all_of(const model::TensorFile& file) {
  Named tensors;
  for (const std::string& name : file.names()) tensors.emplace_back(name, file.get(name));
  return tensors;
}

class TorchModel : public testing::Test {
 protected:
  void SetUp() override {
    if (!tool_exists("memlong-chat")) GTEST_SKIP() << "the tools are not built";
  }

  /// The reference model with these weights.
  [[nodiscard]] std::string model(const std::string& weights) const {
    return doctored_model(folder_, {{kSafe, std::nullopt}, {kTorch, weights}});
  }
  [[nodiscard]] json run(const std::string& tool, const std::vector<std::string>& args) const {
    const ToolResult result = run_tool(tool, args);
    EXPECT_EQ(result.code, 0) << result.err;
    return json::parse(result.out, nullptr, false);
  }
  [[nodiscard]] json answer(const std::string& folder) const {
    return run("memlong-chat", {"--model", folder, "--greedy", "--threads", "1", "-n", "20",
                                "--json", "--quiet", "--prompt", "Tell me a story."})["text"];
  }
  void refused(const std::string& weights, const std::string& says) const {
    expect_refused("memlong-chat", {"--model", model(weights), "--prompt", "Hi", "--quiet"}, 1,
                   says);
  }

  TempFolder folder_;
  model::SafetensorsFile safe_ = model::SafetensorsFile(reference_model() + "/" + kSafe);
  std::string good_ = test::torch_bytes(all_of(safe_));
};

TEST_F(TorchModel, AnswersAreTheSame) {
  const json expected = answer(reference_model());
  EXPECT_GT(expected.get<std::string>().size(), 10U);
  EXPECT_EQ(answer(model(good_)), expected);
}

TEST_F(TorchModel, BanksBelongToBoth) {
  const std::string folder = model(good_);
  const std::string text = folder_.write("text", "The lamp stood on the piano by the window. ");
  const auto fill = [&](const std::string& bank, const std::string& with) {
    const ToolResult result =
        run_tool("memlong-ingest", {"--model", with, "--bank", bank, text, "--quiet"});
    EXPECT_EQ(result.code, 0) << result.err;
    return run("memlong-bank", {"stats", "--bank", bank, "--json"})["fingerprint"];
  };
  const json safe = fill(folder_ / "safe", reference_model());
  EXPECT_EQ(safe.get<std::string>().size(), 64U);
  EXPECT_EQ(fill(folder_ / "torch", folder), safe);
  EXPECT_EQ(fill(folder_ / "safe", folder), safe);
}

TEST_F(TorchModel, AMergedModelHoldsSafetensors) {
  const std::string peft = folder_ / "adapter";
  const Tensor a = Tensor::zeros({2, 256}, DType::f32);
  const Tensor b = Tensor::zeros({256, 2}, DType::f32);
  a.data<float>()[0] = 1;
  b.data<float>()[2] = 0.5F;
  const std::string layer = "base_model.model.model.layers.5.self_attn.q_proj.lora_";
  folder_.write("adapter/adapter_config.json",
                R"({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "bias": "none"})");
  folder_.write("adapter/adapter_model.bin",
                test::torch_bytes({{layer + "A.weight", a}, {layer + "B.weight", b}}));
  const std::string out = folder_ / "merged";
  (void)run("memlong-train", {"merge", "--model", model(good_), "--adapter", peft, "--out", out,
                              "--save-dtype", "f32", "--json"});
  const model::SafetensorsFile merged(out + "/" + kSafe);
  const std::string name = "model.layers.5.self_attn.q_proj.weight";
  const auto value = [&](int64_t at) {
    return static_cast<float>(safe_.get(name).data<bf16>()[at]);
  };
  EXPECT_EQ(merged.get(name).data<float>()[256], value(256) + 2 * 0.5F);
  EXPECT_EQ(merged.get(name).data<float>()[257], value(257));
}

TEST_F(TorchModel, FilesThatAreCutOrNoneAreRefused) {
  refused("", "is no torch file: it is no ZIP archive");
  refused("version https://git-lfs.github.com/spec/v1\n", "git lfs pull");
  refused("\x80\2\x8a", "as torch wrote it before 1.6");
  refused(good_.substr(0, 1000), "is cut short");
  refused(good_.substr(0, good_.size() - 1), "is cut short");
  test::PickleBytes system;
  system.proto().global("os", "system").text("id").op(model::Opcode::tuple1);
  system.op(model::Opcode::reduce).op(model::Opcode::stop);
  refused(test::torch_bytes(system.bytes(), {}), "it asks for os.system");
}

TEST_F(TorchModel, FilesThatLieAreRefused) {
  Named tensors = all_of(safe_);
  const std::string name = tensors.back().first;
  tensors.pop_back();
  refused(test::torch_bytes(tensors), "tensor " + name + " is missing");
  const Tensor ids = Tensor::zeros(safe_.get(name).shape(), DType::i64);
  tensors.emplace_back(name, ids);
  refused(test::torch_bytes(tensors), "is i64, not f32, f16 or bf16");
  tensors.back().first = "odd\nname\x1b[2J";
  tensors.push_back(tensors.back());
  refused(test::torch_bytes(tensors), "tensor odd?name?[2J stands in it twice");
}

}  // namespace
}  // namespace memlong::tools_test
