// memlong-serve when several ask at once.
#include <csignal>
#include <future>

#include <gmock/gmock.h>

#include "tools/running_server.h"

namespace memlong::tools_test {
namespace {

using nlohmann::json;
using test::HttpClient;
using testing::HasSubstr;

constexpr const char* kChat = "/v1/chat/completions";

/// To this the reference model says the same word again and again.
json endless_request(const char* session) {
  std::string text = "What of Paris?";
  for (int i = 0; i < 60; ++i) text += " word";
  return {{"session", session},
          {"stream", true},
          {"max_tokens", 1'000'000},
          {"messages", {message("user", text)}}};
}

/// An answer that goes on as long as the client stays.
class EndlessAnswer {
 public:
  EndlessAnswer(const RunningServer& server, const char* session) : client_(server.port()) {
    client_.request("POST", kChat, endless_request(session).dump());
    if (client_.read_head().status != 200) throw std::runtime_error("no stream");
    read(4);
  }
  /// So many more pieces.
  void read(int pieces) {
    for (int i = 0; i < pieces; ++i) {
      if (!client_.next_event()) throw std::runtime_error("the stream has ended");
    }
  }

 private:
  HttpClient client_;
};

class ServeParallel : public ServerTest {};

json told(const char* session, const std::string& text) {
  return {{"session", session}, {"messages", {message("user", text)}}};
}

TEST_F(ServeParallel, NothingWaitsForALongAnswer) {
  RunningServer server = serve();
  EndlessAnswer endless(server, "endless");
  server.chat(told("anna", "My hat is in the oven."));
  EXPECT_THAT(said(server.chat(told("anna", "Where is my hat?"))), HasSubstr("in the oven"));
  const std::string text = "The lighthouse keeper hid the silver key under the third step.\n";
  EXPECT_EQ(test::call(server.port(), "PUT", "/v1/bank/documents/key", text).status, 201);
  const json found = json::parse(
      server.post("/v1/bank/search", {{"query", "Where is the silver key?"}, {"top_k", 1}}).body);
  EXPECT_EQ(found["data"][0]["name"], "key");
  EXPECT_EQ(server.post("/v1/embeddings", {{"input", "A key."}}).status, 200);
  endless.read(8);
  EXPECT_THAT(server.get("/metrics").body, HasSubstr("\nmemlong_answers_running 1\n"));
  EXPECT_EQ(server.end(SIGTERM), 0) << server.err();
}

TEST_F(ServeParallel, SideBySideEachSaysWhatItSaysAlone) {
  const std::vector<std::pair<const char*, const char*>> things = {
      {"oven", "My hat is in the oven."},
      {"garden", "My bicycle is in the garden."},
      {"tower", "My telescope is in the tower."},
      {"cellar", "My wine is in the cellar."},
      {"attic", "My violin is in the attic."}};
  const auto talk = [](const RunningServer& server, const char* session, const char* fact) {
    server.chat(told(session, fact));
    const std::string thing = std::string(fact).substr(3, std::string(fact).find(" is") - 3);
    const json answer = server.chat(told(session, "Where is my " + thing + "?"));
    return said(answer) + answer["usage"].dump();
  };
  std::vector<std::string> alone;
  {
    RunningServer server = serve({"--dtype", "f32", "--parallel", "1"});
    for (const auto& [session, fact] : things) alone.push_back(talk(server, session, fact));
    server.end(SIGTERM);
  }
  bank_ += "-2";
  RunningServer server = serve({"--dtype", "f32", "--parallel", "3"});
  std::vector<std::future<std::string>> together;
  for (const auto& [session, fact] : things) {
    together.push_back(std::async(std::launch::async, talk, std::cref(server), session, fact));
  }
  for (size_t i = 0; i < things.size(); ++i) {
    EXPECT_EQ(together[i].get(), alone[i]);
    EXPECT_THAT(alone[i], HasSubstr(things[i].first));
  }
}

TEST_F(ServeParallel, RequestsOfOneDialogWaitForEachOther) {
  RunningServer server = serve();
  std::vector<std::future<json>> answers;
  for (int i = 0; i < 4; ++i) {
    answers.push_back(std::async(std::launch::async, [&server, i] {
      return server.chat(told("anna", "I have " + std::to_string(i + 2) + " cats."));
    }));
  }
  std::vector<int64_t> turns;
  for (auto& answer : answers) turns.push_back(answer.get()["memlong"]["dialog_turns"]);
  EXPECT_THAT(turns, testing::UnorderedElementsAre(2, 4, 6, 8));
  const json kept = json::parse(server.get("/v1/bank/documents/1").body)["messages"];
  ASSERT_EQ(kept.size(), 8U);
  for (size_t i = 0; i < kept.size(); ++i) {
    EXPECT_EQ(kept[i]["role"], i % 2 == 0 ? "user" : "assistant");
  }
}

TEST_F(ServeParallel, WhoWaitsForADialogTakesNoPlaceFromOthers) {
  RunningServer server = serve({"--parallel", "2"});
  auto endless = std::make_unique<EndlessAnswer>(server, "anna");
  std::vector<std::unique_ptr<HttpClient>> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.push_back(std::make_unique<HttpClient>(server.port()));
    waiting.back()->request("POST", kChat, told("anna", "Hello.").dump());
  }
  server.chat(told("bert", "My hat is in the oven."));
  EXPECT_THAT(said(server.chat(told("bert", "Where is my hat?"))), HasSubstr("in the oven"));
  endless->read(4);
  endless.reset();
  for (const auto& client : waiting) EXPECT_EQ(client->read_reply().status, 200);
}

TEST_F(ServeParallel, AnAnswerThatGotLostIsToldAgain) {
  RunningServer server = serve();
  json messages = json::array({message("user", "My hat is in the oven.")});
  const json first = server.chat({{"session", "anna"}, {"messages", messages}});
  messages.push_back(message("assistant", said(first)));
  messages.push_back(message("user", "Where is my hat?"));
  json request = {{"session", "anna"}, {"messages", messages}};
  const json answer = server.chat(request);
  const json again = server.chat(request);
  EXPECT_EQ(said(again), said(answer));
  EXPECT_EQ(again["usage"]["completion_tokens"], answer["usage"]["completion_tokens"]);
  EXPECT_EQ(again["usage"]["prompt_tokens"], answer["usage"]["prompt_tokens"]);
  EXPECT_EQ(again["memlong"]["dialog_turns"], 4);
  request["stream"] = true;
  const test::HttpReply events = server.post(kChat, request);
  EXPECT_THAT(events.body, HasSubstr(json(said(answer)).dump()));
  EXPECT_THAT(events.body, HasSubstr("data: [DONE]"));
  EXPECT_THAT(server.get("/metrics").body, HasSubstr("\nmemlong_answers_total 2\n"));
}

TEST_F(ServeParallel, ADialogThatIsAnsweredIsNotForgotten) {
  RunningServer server = serve();
  server.chat(told("anna", "Hello."));
  const std::string place = "/v1/bank/documents/1";
  {
    const EndlessAnswer endless(server, "anna");
    const test::HttpReply reply = test::call(server.port(), "DELETE", place);
    EXPECT_EQ(reply.status, 409);
    EXPECT_THAT(reply.body, HasSubstr("is being answered"));
  }
  while (server.get("/metrics").body.find("memlong_answers_running 0\n") == std::string::npos) {
  }
  EXPECT_EQ(test::call(server.port(), "DELETE", place).status, 200);
}

TEST_F(ServeParallel, NoMoreThanStayOpen) {
  RunningServer server = serve({"--open-dialogs", "2", "--parallel", "8"});
  auto first = std::make_unique<EndlessAnswer>(server, "a");
  const EndlessAnswer second(server, "b");
  HttpClient third(server.port());
  third.request("POST", kChat, told("c", "Hello.").dump());
  while (server.get("/metrics").body.find("memlong_requests_waiting 1\n") == std::string::npos) {
  }
  EXPECT_THAT(server.get("/metrics").body, HasSubstr("memlong_answers_running 2\n"));
  first.reset();
  EXPECT_EQ(third.read_reply().status, 200);
}

}  // namespace
}  // namespace memlong::tools_test
