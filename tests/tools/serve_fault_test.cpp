// memlong-serve when an answer cannot be kept, or nobody hears it, or another process writes.

#include <gmock/gmock.h>

#include "tools/running_server.h"

namespace memlong::tools_test {
namespace {

using nlohmann::json;
using test::HttpClient;
using testing::HasSubstr;
using Words = std::vector<std::string>;

constexpr const char* kChat = "/v1/chat/completions";

/// To this the reference model says the same word again and again.
json endless() {
  std::string text = "What of Paris?";
  for (int i = 0; i < 60; ++i) text += " word";
  return message("user", text);
}

class ServeFault : public testing::Test {
 protected:
  void SetUp() override {
    if (!tool_exists("memlong-serve")) GTEST_SKIP() << "memlong-serve is not built";
  }
  RunningServer serve(Words words = {}) {
    words.insert(words.end(), {"--bank", bank_});
    return {folder_, words};
  }

  TempFolder folder_;
  std::string bank_ = (folder_.path() / "bank").string();
};

TEST_F(ServeFault, WhoLeavesAStreamGoesOnWithWhatWasHeard) {
  RunningServer server = serve();
  json messages = json::array({endless()});
  std::string heard;
  {
    HttpClient client(server.port());
    client.request("POST", kChat,
                   json({{"session", "anna"},
                         {"stream", true},
                         {"max_tokens", 1'000'000},
                         {"messages", messages}})
                       .dump());
    ASSERT_EQ(client.read_head().status, 200);
    for (int i = 0; i < 8; ++i) {
      const auto event = client.next_event();
      ASSERT_TRUE(event.has_value());
      // The last pieces came, and were not shown any more.
      if (i < 5) heard += json::parse(event->substr(6))["choices"][0]["delta"]["content"];
    }
  }
  ASSERT_THAT(heard, HasSubstr("word"));
  for (const char* text : {"Thanks.", "Goodbye."}) {
    messages.push_back(message("assistant", heard));
    messages.push_back(message("user", text));
    const json answer = server.chat({{"session", "anna"}, {"messages", messages}});
    EXPECT_EQ(answer["memlong"]["dialog_turns"], messages.size() + 1);
    heard = said(answer);
  }
  const json kept = json::parse(server.get("/v1/bank/documents/1").body)["messages"];
  EXPECT_GT(kept[1]["content"].get<std::string>().size(),
            messages[1]["content"].get<std::string>().size());
}

}  // namespace
}  // namespace memlong::tools_test
