// --index-device: the words, what they choose, and what is said where a GPU cannot search.
#include "tools/common/index_device.h"

#include <gmock/gmock.h>

#include "common/error.h"
#include "retriever/plain_device.h"
#include "tools/run_tool.h"

namespace memlong::tools {
namespace {

using retriever::FaissGpuOptions;
using retriever::OpenSearchDevice;
using retriever::PlainDevice;
using testing::HasSubstr;

constexpr const char* kReason = "there is no libx.so";

struct Opened {
  FaissGpuOptions options;
  int times = 0;
};

OpenSearchDevice opens(Opened& opened) {
  return [&opened](const FaissGpuOptions& options) {
    opened = {options, opened.times + 1};
    return std::make_shared<PlainDevice>();
  };
}

std::shared_ptr<retriever::SearchDevice> refuse(const FaissGpuOptions& /*options*/) {
  fail(ErrorKind::device, kReason);
}

DeviceChoice gpu(int index) { return {.device = Device::cuda, .index = index}; }

TalkOptions asked(const std::string& device) {
  TalkOptions options;
  options.index_device = device;
  return options;
}

TEST(IndexDevice, WordsAreKnownOrRefused) {
  EXPECT_TRUE(parse_index_device("auto").automatic);
  EXPECT_FALSE(parse_index_device("cpu").automatic);
  EXPECT_FALSE(parse_index_device("cpu").gpu.has_value());
  EXPECT_EQ(parse_index_device("cuda").gpu, 0);
  EXPECT_EQ(parse_index_device("cuda:12").gpu, 12);
  for (const char* name : {"gpu", "", "cuda:", "cuda:x", "cuda:-1", "cuda:12345"}) {
    EXPECT_THROW(parse_index_device(name), Error) << name;
  }
}

TEST(IndexDevice, AutoFollowsTheNetwork) {
  Opened opened;
  EXPECT_EQ(choose_index_device(asked("auto"), {}, opens(opened)).device, nullptr);
  EXPECT_EQ(opened.times, 0);
  EXPECT_NE(choose_index_device(asked("auto"), gpu(3), opens(opened)).device, nullptr);
  EXPECT_EQ(opened.options.device, 3);
  EXPECT_EQ(choose_index_device(asked("cpu"), gpu(3), opens(opened)).device, nullptr);
  EXPECT_NE(choose_index_device(asked("cuda:1"), {}, opens(opened)).device, nullptr);
  EXPECT_EQ(opened.options.device, 1);
  EXPECT_EQ(opened.times, 2);
}

TEST(IndexDevice, MemoryAndHalfReachTheDevice) {
  Opened opened;
  TalkOptions options = asked("cuda");
  options.index_half = true;
  options.index_memory = "2GiB";
  (void)choose_index_device(options, {}, opens(opened));
  EXPECT_TRUE(opened.options.half);
  EXPECT_EQ(opened.options.bytes, int64_t{2} << 30);
  options.index_memory = "much";
  EXPECT_THROW(choose_index_device(options, {}, opens(opened)), Error);
}

TEST(IndexDevice, FallsBackAloudUnlessItWasAskedForByName) {
  const IndexDeviceChoice choice = choose_index_device(asked("auto"), gpu(0), refuse);
  EXPECT_EQ(choice.device, nullptr);
  EXPECT_EQ(choice.warning, std::string("searching the bank on the CPU: ") + kReason);
  EXPECT_EQ(choose_index_device(asked("auto"), {}, refuse).warning, "") << "nobody expects a GPU";
  try {
    (void)choose_index_device(asked("cuda:2"), gpu(0), refuse);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_STREQ(error.what(),
                 "--index-device cuda:2: there is no libx.so; use --index-device cpu");
  }
}

TEST(IndexDevice, AGraphIsSearchedByTheProcessor) {
  Opened opened;
  TalkOptions options = asked("auto");
  options.index = "hnsw";
  EXPECT_EQ(choose_index_device(options, gpu(0), opens(opened)).device, nullptr);
  EXPECT_EQ(opened.times, 0);
}

TEST(IndexDevice, TheChatRefusesWhatCannotBe) {
  const tools_test::ToolResult graph = tools_test::run_tool(
      "memlong-chat",
      {"--model", tools_test::reference_model(), "--index", "hnsw", "--index-device", "cuda"});
  EXPECT_EQ(graph.code, 2);
  EXPECT_THAT(graph.err, HasSubstr("--index-device cuda needs --index flat"));
}

}  // namespace
}  // namespace memlong::tools
