// --device: the words, and which device they choose where there is none, one, or two.
#include "tools/common/device_option.h"

#include <gmock/gmock.h>

#include "common/error.h"
#include "tools/common/model_options.h"
#include "tools/run_tool.h"

namespace memlong::tools {
namespace {

using testing::HasSubstr;

template <class Fn>
Error error_of(Fn&& fn) {
  try {
    fn();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorKind::internal, "no error"};
}

CudaDevices two_devices() {
  CudaDevices found;
  found.devices = {{.index = 0, .name = "NVIDIA A"}, {.index = 1, .name = "NVIDIA B"}};
  return found;
}

CudaDevices no_devices() {
  return {.devices = {}, .no_driver = true, .why_none = "no NVIDIA driver is installed"};
}

constexpr DeviceRequest kAuto{.automatic = true};
DeviceRequest gpu(int index) { return {.device = Device::cuda, .index = index}; }

TEST(DeviceOption, WordsAreKnownOrRefused) {
  EXPECT_TRUE(parse_device("auto").automatic);
  EXPECT_EQ(parse_device("cpu").device, Device::cpu);
  EXPECT_FALSE(parse_device("cpu").automatic);
  for (const char* name :
       {"gpu", "", "CUDA", "cuda:", "cuda:x", "cuda:-1", "cuda:12345", "cpu:0"}) {
    const Error error = error_of([&] { (void)parse_device(name); });
    EXPECT_EQ(error.kind(), ErrorKind::usage) << name;
    EXPECT_THAT(error.what(), HasSubstr("is none of auto, cpu, cuda, cuda:N")) << name;
  }
}

TEST(DeviceOption, ABuildWithoutCudaSaysSo) {
  if (kHasCuda) GTEST_SKIP() << "built with CUDA";
  for (const char* name : {"cuda", "cuda:1"}) {
    const Error error = error_of([&] { (void)parse_device(name); });
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_THAT(error.what(), HasSubstr("this build has no CUDA support; use --device cpu"));
  }
  const DeviceChoice choice = choose_device("auto");
  EXPECT_EQ(choice.device, Device::cpu);
  EXPECT_EQ(choice.warning, "") << "nobody expects a GPU of it";
}

TEST(DeviceOption, ABuildWithCudaNumbersDevices) {
  if (!kHasCuda) GTEST_SKIP() << "built without CUDA";
  EXPECT_EQ(parse_device("cuda").index, 0);
  EXPECT_EQ(parse_device("cuda:7").index, 7);
  EXPECT_EQ(parse_device("cuda:7").device, Device::cuda);
}

TEST(DeviceOption, WithoutADriverAutoFallsBackAloudAndCudaIsAnError) {
  const DeviceChoice choice = choose_device(kAuto, no_devices());
  EXPECT_EQ(choice.device, Device::cpu);
  EXPECT_EQ(choice.warning, "computing on the CPU: no NVIDIA driver is installed");
  EXPECT_TRUE(choice.expected) << "a remark, no warning";
  const CudaDevices old = {.devices = {}, .why_none = "install a newer driver"};
  EXPECT_FALSE(choose_device(kAuto, old).expected) << "a driver that is no use is a warning";
  EXPECT_EQ(choose_device(DeviceRequest{}, no_devices()).warning, "") << "it was asked for";
  const Error error = error_of([] { (void)choose_device(gpu(0), no_devices()); });
  EXPECT_EQ(error.kind(), ErrorKind::device);
  EXPECT_STREQ(error.what(), "--device cuda:0: no NVIDIA driver is installed; use --device cpu");
}

TEST(DeviceOption, AutoTakesTheFirstGpu) {
  const DeviceChoice choice = choose_device(kAuto, two_devices());
  EXPECT_EQ(choice.device, Device::cuda);
  EXPECT_EQ(choice.index, 0);
  EXPECT_EQ(choice.name, "cuda:0 (NVIDIA A)");
  EXPECT_EQ(choice.warning, "");
}

TEST(DeviceOption, ANumberMustBeThere) {
  EXPECT_EQ(choose_device(gpu(1), two_devices()).name, "cuda:1 (NVIDIA B)");
  EXPECT_EQ(choose_device(gpu(1), two_devices()).index, 1);
  const Error error = error_of([] { (void)choose_device(gpu(2), two_devices()); });
  EXPECT_EQ(error.kind(), ErrorKind::device);
  EXPECT_STREQ(error.what(),
               "--device cuda:2: there is no such device; there is cuda:0 (NVIDIA A), cuda:1 "
               "(NVIDIA B)");
}

TEST(DeviceOption, ThisMachineGivesAContext) {
  CommonOptions common;
  common.threads = 3;
  common.device = "cpu";
  const ContextOptions options = context_options(common);
  EXPECT_EQ(options.device, Device::cpu);
  EXPECT_EQ(options.threads, 3);
  if (!cuda_devices().devices.empty()) GTEST_SKIP() << "there is a GPU";
  common.device = "auto";
  EXPECT_EQ(context_options(common).device, Device::cpu);
  common.device = "cuda";
  EXPECT_EQ(error_of([&] { (void)context_options(common); }).kind(), ErrorKind::device);
}

void expect_switch(const char* name, bool ContextOptions::*option) {
  CommonOptions common;
  common.device = "cpu";
  for (const char* on : {"", "1"}) {
    ::setenv(name, on, 1);
    EXPECT_TRUE(context_options(common).*option);
  }
  ::setenv(name, "0", 1);
  EXPECT_FALSE(context_options(common).*option);
  ::setenv(name, "off", 1);
  const Error error = error_of([&] { (void)context_options(common); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_EQ(std::string(error.what()), std::string(name) + ": 'off' is neither 0 nor 1");
  ::unsetenv(name);
  EXPECT_TRUE(context_options(common).*option);
}

TEST(DeviceOption, TheEnvironmentSwitchesRecordingAndOverlapOff) {
  expect_switch("MEMLONG_CUDA_GRAPH", &ContextOptions::record);
  expect_switch("MEMLONG_CUDA_OVERLAP", &ContextOptions::overlap);
}

TEST(DeviceOption, EveryToolWithAModelKnowsIt) {
  const std::string model = tools_test::reference_model();
  const std::vector<std::vector<std::string>> calls = {
      {"memlong-chat", "--model", model, "--prompt", "hello"},
      {"memlong-ingest", "--model", model, "--bank", "/nowhere/bank", "/dev/null"},
      {"memlong-eval", "ppl", "--model", model, "--text", "/dev/null"},
      {"memlong-bench", "--model", model},
      {"memlong-train", "merge", "--model", model, "--out", "/nowhere/merged"}};
  for (const std::vector<std::string>& call : calls) {
    if (!tools_test::tool_exists(call[0])) continue;
    std::vector<std::string> args(call.begin() + 1, call.end());
    args.insert(args.end(), {"--device", "gpu"});
    const tools_test::ToolResult wrong = tools_test::run_tool(call[0], args);
    EXPECT_EQ(wrong.code, 2) << call[0];
    EXPECT_THAT(wrong.err, HasSubstr("'gpu' is none of auto, cpu, cuda, cuda:N")) << call[0];
    if (!cuda_devices().devices.empty()) continue;
    args.back() = "cuda:1";
    const tools_test::ToolResult missing = tools_test::run_tool(call[0], args);
    EXPECT_EQ(missing.code, 1) << call[0];
    EXPECT_THAT(missing.err, HasSubstr("error: --device cuda:1: ")) << call[0];
    EXPECT_THAT(missing.err, HasSubstr("use --device cpu")) << call[0];
  }
}

}  // namespace
}  // namespace memlong::tools
