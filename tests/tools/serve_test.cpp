// memlong-serve as its clients see it: dialogs.
#include <csignal>
#include <thread>

#include <gmock/gmock.h>

#include "membank/bank.h"
#include "tools/running_server.h"

namespace memlong::tools_test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using Words = std::vector<std::string>;

/// A fact, and enough other talk behind it that it is no longer in the last window.
json dialog_with_a_fact() {
  json messages = json::array();
  const auto say = [&](const std::string& user, const std::string& assistant) {
    messages.push_back(message("user", user));
    messages.push_back(message("assistant", assistant));
  };
  say("I left my glasses on the piano.", "Your glasses: on the piano. Noted.");
  const Words cities = {"Paris", "London", "Sydney", "Seattle", "Portland", "Atlanta", "Boston"};
  for (int i = 0; i < 21; ++i) {
    const std::string& city = cities[static_cast<size_t>(i) % cities.size()];
    say("Find me a one way flight to " + city + " on March " + std::to_string(i + 1) + "th.",
        "There are " + std::to_string(i + 2) + " flights to " + city + ". Shall I book one?");
  }
  return messages;
}

constexpr const char* kQuestion = "Where did I leave my glasses?";

class ServeTool : public ServerTest {};

TEST_F(ServeTool, ANamedDialogGoesOnInAnotherProcess) {
  {
    RunningServer server = serve();
    server.chat({{"session", "anna"}, {"messages", {message("user", "My hat is in the oven.")}}});
    EXPECT_EQ(server.end(SIGTERM), 0) << server.err();
  }
  RunningServer server = serve();
  const json answer =
      server.chat({{"session", "anna"}, {"messages", {message("user", "Where is my hat?")}}});
  EXPECT_THAT(said(answer), HasSubstr("in the oven"));
  EXPECT_EQ(answer["memlong"]["session"], "anna");
  EXPECT_EQ(answer["memlong"]["dialog_turns"], 4);
  const json dialog =
      json::parse(server.get("/v1/bank/documents/" + answer["memlong"]["document"].dump()).body);
  ASSERT_EQ(dialog["messages"].size(), 4U);
  EXPECT_EQ(dialog["messages"][0]["content"], "My hat is in the oven.");
  EXPECT_EQ(dialog["messages"][2]["content"], "Where is my hat?");
  EXPECT_EQ(server.end(SIGINT), 0);
  const ToolResult chat =
      run_tool("memlong-chat", {"--model", reference_model(), "--bank", bank_, "--session", "anna",
                                "--no-save", "--greedy", "--prompt", "Where is my hat?"});
  EXPECT_THAT(chat.out, HasSubstr("in the oven")) << chat.err;
}

TEST_F(ServeTool, WhatWasSaidLongAgoIsRemembered) {
  RunningServer server = serve();
  json messages = dialog_with_a_fact();
  messages.push_back(message("user", kQuestion));
  const json answer =
      server.chat({{"session", "anna"}, {"retrieved", true}, {"messages", messages}});
  EXPECT_THAT(said(answer), HasSubstr("on the piano"));
  const json& about = answer["memlong"];
  ASSERT_GT(about["retrieved"].size(), 0U);
  EXPECT_EQ(about["retrieved"].size(), about["retrieved_chunks"]);
  EXPECT_THAT(about["retrieved"].dump(), HasSubstr("on the piano"));
  EXPECT_EQ(about["retrieved"][0]["name"], "this dialog");
  EXPECT_GT(about["retrieved"][0]["attention"], 0.0);
  // From a new process, with the question alone.
  EXPECT_EQ(server.end(SIGTERM), 0);
  RunningServer other = serve();
  EXPECT_THAT(said(other.chat({{"session", "anna"}, {"messages", {message("user", kQuestion)}}})),
              HasSubstr("on the piano"));
  // The same without memory: the window alone does not know it.
  EXPECT_EQ(other.end(SIGTERM), 0);
  RunningServer without(folder_, {"--no-memory"});
  EXPECT_THAT(said(without.chat({{"messages", messages}})), testing::Not(HasSubstr("piano")));
}

TEST_F(ServeTool, AStreamIsTheAnswerInPieces) {
  RunningServer server(folder_, {});
  json body = {
      {"messages", {message("user", "My cat is called Tom.")}}, {"seed", 7}, {"temperature", 1}};
  const json whole = server.chat(body);
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  test::HttpClient client(server.port());
  client.request("POST", "/v1/chat/completions", body.dump());
  EXPECT_EQ(client.read_head().header("content-type"), "text/event-stream");
  std::vector<json> events;
  std::string last;
  while (const auto data = client.next_data()) {
    last = *data;
    if (last != "[DONE]") events.push_back(json::parse(last));
  }
  EXPECT_EQ(last, "[DONE]");
  ASSERT_GT(events.size(), 4U);
  EXPECT_EQ(events[0]["choices"][0]["delta"]["role"], "assistant");
  std::string text;
  for (size_t i = 1; i + 2 < events.size(); ++i) {
    EXPECT_TRUE(events[i]["choices"][0]["finish_reason"].is_null());
    text += events[i]["choices"][0]["delta"]["content"].get<std::string>();
  }
  EXPECT_EQ(text, said(whole)) << "the same seed";
  const json& closing = events[events.size() - 2];
  EXPECT_EQ(closing["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(closing["memlong"]["dialog_turns"], 2);
  EXPECT_EQ(events.back()["usage"]["completion_tokens"], whole["usage"]["completion_tokens"]);
  EXPECT_EQ(events.back()["choices"], json::array());
}

TEST_F(ServeTool, UnnamedDialogsGoOnWhileTheyAreOpen) {
  RunningServer server = serve({"--open-dialogs", "2"});
  json messages = {message("user", "My cat is called Tom.")};
  json answer = server.chat({{"messages", messages}});
  EXPECT_EQ(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
  EXPECT_TRUE(answer["memlong"]["document"].is_null());
  const int64_t before = answer["memlong"]["dialog_tokens"];
  messages.push_back(message("assistant", said(answer)));
  messages.push_back(message("user", "What is my cat called?"));
  answer = server.chat({{"messages", messages}});
  EXPECT_THAT(said(answer), HasSubstr("Tom"));
  EXPECT_EQ(answer["usage"]["prompt_tokens_details"]["cached_tokens"], before);
  // The question once more, as clients do that want another answer: another dialog.
  answer = server.chat({{"messages", messages}});
  EXPECT_THAT(said(answer), HasSubstr("Tom"));
  EXPECT_EQ(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
  const int64_t held = answer["memlong"]["dialog_tokens"];
  // Single questions, as clients ask beside a talk, do not close it.
  for (const char* text : {"One.", "Two.", "Three."}) {
    server.chat({{"messages", {message("user", text)}}});
  }
  EXPECT_THAT(server.get("/metrics").body, HasSubstr("\nmemlong_dialogs_open 2\n"));
  messages.push_back(message("assistant", said(answer)));
  messages.push_back(message("user", "What is my cat called?"));
  answer = server.chat({{"messages", messages}});
  EXPECT_EQ(answer["usage"]["prompt_tokens_details"]["cached_tokens"], held);
  EXPECT_EQ(answer["memlong"]["dialog_turns"], 6);
  // Two talks do, and all of it is read again.
  for (const char* text : {"One.", "Two."}) {
    json talk = {message("user", text)};
    talk.push_back(message("assistant", said(server.chat({{"messages", talk}}))));
    talk.push_back(message("user", "And then?"));
    server.chat({{"messages", talk}});
  }
  messages.push_back(message("assistant", said(answer)));
  messages.push_back(message("user", "Thanks."));
  answer = server.chat({{"messages", messages}});
  EXPECT_EQ(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
  EXPECT_EQ(answer["memlong"]["dialog_turns"], 8);
  EXPECT_EQ(json::parse(server.get("/v1/bank").body)["documents"], 0) << "nothing of it is kept";
}

TEST_F(ServeTool, ADialogIsClosedAndComesBack) {
  RunningServer server = serve({"--open-dialogs", "1"});
  const auto say = [&](const char* session, const char* text) {
    return server.chat({{"session", session}, {"messages", {message("user", text)}}});
  };
  say("anna", "My hat is in the oven.");
  say("bert", "My hat is in the garden.");
  EXPECT_THAT(said(say("anna", "Where is my hat?")), HasSubstr("in the oven"));
  EXPECT_THAT(said(say("bert", "Where is my hat?")), HasSubstr("in the garden"));
}

TEST_F(ServeTool, ManyClientsAtOnceKeepTheirDialogsApart) {
  RunningServer server = serve({"--open-dialogs", "2"});
  const Words places = {"in the oven", "in the garden", "on the piano", "in the fridge"};
  std::vector<std::string> answers(places.size());
  std::vector<std::thread> clients;
  for (size_t i = 0; i < places.size(); ++i) {
    clients.emplace_back([&, i] {
      try {
        const std::string session = "client " + std::to_string(i);
        server.chat({{"session", session}, {"messages", {message("user", "Hello.")}}});
        server.chat({{"session", session},
                     {"messages", {message("user", "I left my hat " + places[i] + ".")}}});
        answers[i] = said(server.chat(
            {{"session", session}, {"messages", {message("user", "Where did I leave my hat?")}}}));
      } catch (const std::exception& error) {
        answers[i] = error.what();
      }
    });
  }
  for (std::thread& client : clients) client.join();
  for (size_t i = 0; i < places.size(); ++i) EXPECT_THAT(answers[i], HasSubstr(places[i]));
}

TEST_F(ServeTool, AnotherHistoryIsRefusedAndChangesNothing) {
  RunningServer server = serve();
  const json first =
      server.chat({{"session", "anna"}, {"messages", {message("user", "My hat is in the oven.")}}});
  const test::HttpReply reply = server.post(
      "/v1/chat/completions", {{"session", "anna"},
                               {"messages",
                                {message("user", "My hat is red."), message("assistant", "Fine."),
                                 message("user", "Where is my hat?")}}});
  EXPECT_EQ(reply.status, 409);
  EXPECT_THAT(reply.body, HasSubstr("session 'anna' has gone on in another way"));
  json all = {message("user", "My hat is in the oven."), message("assistant", said(first) + " \n"),
              message("user", "Where is my hat?")};
  const json answer = server.chat({{"session", "anna"}, {"messages", all}});
  EXPECT_THAT(said(answer), HasSubstr("in the oven"));
  EXPECT_EQ(answer["memlong"]["dialog_turns"], 4);
}

TEST_F(ServeTool, NamespacesAndSystemPrompts) {
  RunningServer server = serve({"--system", "You remember everything."});
  const auto say = [&](const char* name_space, const json& messages) {
    return server.chat({{"session", "anna"}, {"namespace", name_space}, {"messages", messages}});
  };
  const json home = say("home", json::array({message("user", "My hat is in the oven.")}));
  const json work = say("work", {message("system", "Be kind."), message("user", "Hello.")});
  EXPECT_NE(home["memlong"]["document"], work["memlong"]["document"]);
  const auto first_of = [&](const json& answer) {
    const std::string id = answer["memlong"]["document"].dump();
    return json::parse(server.get("/v1/bank/documents/" + id).body)["messages"][0];
  };
  EXPECT_EQ(first_of(home)["content"], "You remember everything.");
  EXPECT_EQ(first_of(work)["content"], "Be kind.");
  EXPECT_EQ(say("home", json::array({message("user", "Thanks.")}))["memlong"]["dialog_turns"], 5);
  const json list = json::parse(server.get("/v1/bank/documents?namespace=work").body);
  ASSERT_EQ(list["data"].size(), 1U);
  EXPECT_EQ(list["data"][0]["namespace"], "work");
}

}  // namespace
}  // namespace memlong::tools_test
