// memlong-serve when it is stopped, killed, overrun or left alone.
#include <csignal>
#include <fstream>

#include <gmock/gmock.h>

#include "support/paths.h"
#include "tools/running_server.h"

namespace memlong::tools_test {
namespace {

using nlohmann::json;
using test::HttpClient;
using testing::HasSubstr;
using Words = std::vector<std::string>;

/// A request that takes seconds: 80,000 tokens are read before the answer.
std::string long_request() {
  const std::string file = test::source_dir() + "/examples/dialog-80k.json";
  json messages = json::parse(slurp(file))["turns"];
  messages.push_back(message("user", "What is my favourite drink?"));
  return json({{"session", "long"}, {"stream", true}, {"messages", messages}}).dump();
}

const std::string& request_text() {
  static const std::string text = long_request();
  return text;
}

class ServeStop : public ServerTest {
 protected:
  void expect_sound_bank() const {
    const ToolResult verify = run_tool("memlong-bank", {"verify", "--bank", bank_});
    EXPECT_EQ(verify.code, 0) << verify.out << verify.err;
  }
};

/// Begins the long request, and returns when its stream has begun: it is being read.
void begin_long(HttpClient& client) {
  client.request("POST", "/v1/chat/completions", request_text());
  ASSERT_EQ(client.read_head().status, 200);
  ASSERT_TRUE(client.next_event().has_value());
}

json hello(const char* session) {
  return {{"session", session}, {"messages", {message("user", "Hello.")}}};
}

TEST_F(ServeStop, AStopEndsWhatIsUnderWayAndKeepsTheBank) {
  RunningServer server = serve({"--parallel", "1"});
  server.chat({{"session", "anna"}, {"messages", {message("user", "My hat is in the oven.")}}});
  HttpClient client(server.port());
  begin_long(client);
  HttpClient waiting(server.port());
  waiting.request("POST", "/v1/chat/completions", hello("bert").dump());
  // Lists are answered meanwhile; that this request waits is seen there.
  while (server.get("/metrics").body.find("memlong_requests_waiting 1\n") == std::string::npos) {
  }
  EXPECT_EQ(server.end(SIGTERM), 0) << server.err();
  const auto last = client.next_event();
  ASSERT_TRUE(last.has_value());
  EXPECT_THAT(*last, HasSubstr("\"error\""));
  EXPECT_THAT(*last, HasSubstr("503"));
  const test::HttpReply reply = waiting.read_reply();
  EXPECT_EQ(reply.status, 503);
  EXPECT_THAT(reply.body, HasSubstr("stopping"));
  expect_sound_bank();
  RunningServer again = serve();
  EXPECT_THAT(
      said(again.chat({{"session", "anna"}, {"messages", {message("user", "Where is my hat?")}}})),
      HasSubstr("in the oven"));
}

TEST_F(ServeStop, AKillCostsNothingThatWasKept) {
  const auto chunks = [](const RunningServer& server) {
    return json::parse(server.get("/v1/bank").body)["chunks"].get<int64_t>();
  };
  {
    RunningServer server = serve();
    server.chat({{"session", "anna"}, {"messages", {message("user", "My hat is in the oven.")}}});
    HttpClient client(server.port());
    begin_long(client);
    while (chunks(server) < 200) {
    }
    EXPECT_EQ(server.end(SIGKILL), 128 + SIGKILL);
  }
  expect_sound_bank();
  RunningServer server = serve();
  EXPECT_GE(chunks(server), 200);
  EXPECT_THAT(
      said(server.chat({{"session", "anna"}, {"messages", {message("user", "Where is my hat?")}}})),
      HasSubstr("in the oven"));
  // The same request goes on with what of it was kept.
  HttpClient client(server.port());
  begin_long(client);
  std::string answer;
  json last;
  while (const auto data = client.next_data()) {
    if (*data == "[DONE]") break;
    last = json::parse(*data);
    answer += last["choices"][0]["delta"].value("content", "");
  }
  EXPECT_THAT(answer, HasSubstr("milk"));
  EXPECT_EQ(last["memlong"]["dialog_turns"], 4672);
  EXPECT_LT(last["timings"]["prompt_n"],
            last["memlong"]["dialog_tokens"].get<int64_t>() - 200 * 64);
}

TEST_F(ServeStop, AClientThatLeavesMakesRoom) {
  RunningServer server = serve({"--parallel", "1"});
  {
    HttpClient client(server.port());
    begin_long(client);
  }
  server.chat(hello("anna"));
  EXPECT_THAT(server.get("/metrics").body,
              HasSubstr("{route=\"/v1/chat/completions\",status=\"499\"} 1\n"));
}

TEST_F(ServeStop, MoreThanMayWaitIsRefused) {
  RunningServer server = serve({"--queue", "1", "--parallel", "1"});
  HttpClient client(server.port());
  begin_long(client);
  HttpClient waiting(server.port());
  waiting.request("POST", "/v1/chat/completions", hello("anna").dump());
  while (server.get("/metrics").body.find("memlong_requests_waiting 1\n") == std::string::npos) {
  }
  const test::HttpReply refused = server.post("/v1/chat/completions", hello("bert"));
  EXPECT_EQ(refused.status, 503);
  EXPECT_NE(refused.header("retry-after"), "");
  client.leave();
  EXPECT_EQ(waiting.read_reply().status, 200);
}

TEST_F(ServeStop, ASecondWriterAndATakenPortAreRefused) {
  RunningServer server = serve();
  const ToolResult second =
      run_tool("memlong-serve", {"--model", reference_model(), "--bank", bank_, "--port", "0"});
  EXPECT_EQ(second.code, 1);
  EXPECT_THAT(second.err, HasSubstr("--no-save"));
  const ToolResult same_port = run_tool(
      "memlong-serve", {"--model", reference_model(), "--port", std::to_string(server.port())});
  EXPECT_EQ(same_port.code, 1);
  EXPECT_THAT(same_port.err, HasSubstr("Address already in use"));
}

TEST_F(ServeStop, WhatCannotBeLoadedEndsTheServer) {
  const ToolResult no_model = run_tool("memlong-serve", {"--model", "/nowhere", "--port", "0"});
  EXPECT_EQ(no_model.code, 2);
  EXPECT_THAT(no_model.err, HasSubstr("--model: /nowhere: No such file"));
  EXPECT_EQ(no_model.out, "");
  const ToolResult no_folder = run_tool("memlong-serve", {"--port", "0"});
  EXPECT_EQ(no_folder.code, 2);
  EXPECT_THAT(no_folder.err, HasSubstr("--model"));
  const ToolResult bad_origin = run_tool(
      "memlong-serve", {"--model", reference_model(), "--cors-origin", "nonsense", "--port", "0"});
  EXPECT_EQ(bad_origin.code, 2);
  const auto keys = folder_.path() / "keys";
  std::ofstream(keys) << "# none\n";
  const ToolResult no_keys =
      run_tool("memlong-serve", {"--model", reference_model(), "--api-key-file", keys.string()});
  EXPECT_EQ(no_keys.code, 2);
  EXPECT_THAT(no_keys.err, HasSubstr("holds no key"));
}

}  // namespace
}  // namespace memlong::tools_test
