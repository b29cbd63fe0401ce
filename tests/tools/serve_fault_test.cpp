// memlong-serve when an answer cannot be kept, or nobody hears it, or another process writes.
#include <chrono>
#include <csignal>
#include <thread>

#include <gmock/gmock.h>

#include "membank/bank.h"
#include "support/paths.h"
#include "support/small_disk.h"
#include "tools/doctored_model.h"
#include "tools/running_server.h"

namespace memlong::tools_test {
namespace {

using nlohmann::json;
using test::HttpClient;
using test::HttpReply;
using test::SmallDisk;
using testing::HasSubstr;
using Words = std::vector<std::string>;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kText =
    "The lighthouse keeper hid the silver key under the third step of the stairs.\n";

/// To this the reference model says the same word again and again.
json endless() {
  std::string text = "What of Paris?";
  for (int i = 0; i < 60; ++i) text += " word";
  return message("user", text);
}

class ServeFault : public ServerTest {};

TEST_F(ServeFault, ARequestThatFoundTheDiskFullCanBeMadeAgain) {
  SmallDisk::run(folder_.path() / "disk", size_t{24} << 20, [&](const SmallDisk& disk) {
    RunningServer server(folder_, {"--bank", disk.path() / "bank"});
    json messages = json::array({message("user", "My hat is in the oven.")});
    const json first = server.chat({{"session", "anna"}, {"messages", messages}});
    messages.push_back(message("assistant", said(first)));
    messages.push_back(message("user", "Where is my hat?"));
    disk.leave(0);
    for (const bool stream : {false, true, false}) {
      const HttpReply reply =
          server.post(kChat, {{"session", "anna"}, {"stream", stream}, {"messages", messages}});
      EXPECT_EQ(reply.status, stream ? 200 : 507) << reply.body;
      EXPECT_THAT(reply.body, HasSubstr("507"));
      EXPECT_THAT(reply.body, testing::Not(HasSubstr("[DONE]")));
    }
    const std::string place = "/v1/bank/documents/" + first["memlong"]["document"].dump();
    EXPECT_EQ(test::call(server.port(), "DELETE", place).status, 507);
    EXPECT_EQ(server.post("/v1/bank/documents", {{"name", "key"}, {"text", kText}}).status, 507);
    disk.make_room();
    const json answer = server.chat({{"session", "anna"}, {"messages", messages}});
    EXPECT_THAT(said(answer), HasSubstr("in the oven"));
    EXPECT_EQ(answer["memlong"]["dialog_turns"], 4);
    EXPECT_EQ(json::parse(server.get(place).body)["messages"].size(), 4U);
    EXPECT_EQ(server.end(SIGTERM), 0) << server.err();
  });
}

/// What was read of a long message is kept from time to time: that is where it fails.
TEST_F(ServeFault, TheDiskIsFullWhileALongMessageIsRead) {
  SmallDisk::run(folder_.path() / "disk", size_t{24} << 20, [&](const SmallDisk& disk) {
    RunningServer server(folder_, {"--bank", disk.path() / "bank"});
    const json first =
        server.chat({{"session", "anna"}, {"messages", {message("user", "My hat is red.")}}});
    std::string text;
    for (int i = 0; i < 12'000; ++i) text += "word ";
    disk.leave(0);
    for (const char* session : {"anna", "bert"}) {
      const HttpReply reply =
          server.post(kChat, {{"session", session}, {"messages", {message("user", text)}}});
      EXPECT_EQ(reply.status, 507) << reply.body;
    }
    disk.make_room();
    const json answer = server.chat(
        {{"session", "anna"}, {"messages", {message("user", "What colour is my hat?")}}});
    EXPECT_EQ(answer["memlong"]["dialog_turns"], 4);
    EXPECT_EQ(server.end(SIGTERM), 0) << server.err();
  });
}

TEST_F(ServeFault, AnAnswerThatNobodyHeardIsAskedForAgain) {
  RunningServer server = serve();
  const json first =
      server.chat({{"session", "anna"}, {"messages", {message("user", "My hat is red.")}}});
  json request = {
      {"session", "anna"},
      {"max_tokens", 1'000'000},
      {"messages",
       {message("user", "My hat is red."), message("assistant", said(first)), endless()}}};
  {
    HttpClient client(server.port());
    client.request("POST", kChat, request.dump());
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
  request["max_tokens"] = 3;
  const json answer = server.chat(request);
  EXPECT_EQ(answer["memlong"]["dialog_turns"], 4);
  EXPECT_EQ(answer["usage"]["completion_tokens"], 3);
}

TEST_F(ServeFault, WhatWasReadBeforeAStopIsNotReadAgain) {
  RunningServer server = serve();
  json messages = json::parse(slurp(test::source_dir() + "/examples/dialog-80k.json"))["turns"];
  messages.push_back(message("user", "What is my favourite drink?"));
  const json request = {{"session", "anna"}, {"messages", messages}};
  {
    HttpClient client(server.port());
    client.request("POST", kChat, request.dump());
    while (json::parse(server.get("/v1/bank").body)["chunks"] < 200) {
    }
  }
  const json answer = server.chat(request);
  EXPECT_EQ(answer["memlong"]["dialog_turns"], messages.size() + 1);
  const json& usage = answer["usage"];
  EXPECT_GE(usage["prompt_tokens_details"]["cached_tokens"], 200 * 64);
  EXPECT_LT(usage["prompt_tokens_details"]["cached_tokens"], usage["prompt_tokens"]);
}

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
      const auto data = client.next_data();
      ASSERT_TRUE(data.has_value());
      // The last pieces came, and were not shown any more.
      if (i < 5) heard += json::parse(*data)["choices"][0]["delta"]["content"];
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

TEST_F(ServeFault, TextsOfAnotherProcessAreFoundAtOnce) {
  const std::string novel = folder_.write("novel.txt", "It was a dark and stormy night.");
  const std::string key = folder_.write("key.txt", kText);
  const auto ingest = [&](const std::string& file) {
    const ToolResult result = run_tool(
        "memlong-ingest", {file, "--bank", bank_, "--model", reference_model(), "--quiet"});
    ASSERT_EQ(result.code, 0) << result.err;
  };
  ingest(novel);
  RunningServer server = serve({"--no-save"});
  const auto ask = [&] {
    return server.chat({{"session", "anna"},
                        {"retrieved", true},
                        {"messages", {message("user", "Where is the silver key?")}}});
  };
  EXPECT_EQ(ask()["memlong"]["retrieved"].size(), 1U);
  ingest(key);
  EXPECT_EQ(ask()["memlong"]["retrieved"].size(), 2U);
}

/// A folder without sif.safetensors, as every model but the reference model is: the bank learns
/// from its first text.
TEST_F(ServeFault, QuestionsDoNotTeachTheBank) {
  const std::string model = doctored_model(folder_, {{"sif.safetensors", std::nullopt}});
  const auto blobs = [&] {
    const auto bank = membank::Bank::open(bank_, {});
    return bank->snapshot()->blob("sif").size();
  };
  RunningServer server = serve({"--model", model});
  EXPECT_EQ(json::parse(server.post("/v1/bank/search", {{"query", "key"}}).body)["data"].size(),
            0U);
  EXPECT_EQ(server.post("/v1/embeddings", {{"input", "A red hat."}}).status, 200);
  json talk = {{"retrieved", true}, {"messages", {message("user", "Where is the silver key?")}}};
  EXPECT_EQ(server.chat(talk)["memlong"]["retrieved"].size(), 0U);
  EXPECT_EQ(blobs(), 0U);
  const std::string text = slurp(test::source_dir() + "/examples/novel.txt").substr(20000, 5000);
  const HttpReply reply = server.post("/v1/bank/documents", {{"name", "novel"}, {"text", text}});
  ASSERT_EQ(reply.status, 201) << reply.body;
  EXPECT_GT(blobs(), 0U);
  EXPECT_GT(server.chat(talk)["memlong"]["retrieved"].size(), 0U);
  const json found = json::parse(server.post("/v1/bank/search", {{"query", text}}).body)["data"];
  ASSERT_GT(found.size(), 0U);
  EXPECT_GT(found[0]["score"], 0.999) << "not with the bank's embedder";
}

TEST_F(ServeFault, ADialogWithoutANameHasABound) {
  RunningServer server = serve({"--unnamed-tokens", "100"});
  json messages = json::array({endless()});
  const json request = {{"max_tokens", 3}, {"messages", messages}};
  server.chat(request);
  const std::string said_twice = endless()["content"];
  messages[0]["content"] = messages[0]["content"].get<std::string>() + said_twice;
  const HttpReply reply = server.post(kChat, {{"messages", messages}});
  EXPECT_EQ(reply.status, 507);
  EXPECT_THAT(reply.body, HasSubstr("--unnamed-tokens"));
  server.chat({{"session", "anna"}, {"max_tokens", 3}, {"messages", messages}});
  server.chat(request);
}

TEST_F(ServeFault, ChunksThatWerePrunedAreToldOf) {
  RunningServer server = serve({"--retain", "fifo", "--budget-chunks", "4"});
  const json messages = json::array({message("user", endless()["content"])});
  for (int i = 0; i < 9; ++i) {
    const json answer = server.chat(
        {{"session", "anna"}, {"retrieved", true}, {"max_tokens", 5}, {"messages", messages}});
    for (const json& chunk : answer["memlong"]["retrieved"]) EXPECT_NE(chunk["text"], "");
  }
  EXPECT_LE(json::parse(server.get("/v1/bank").body)["chunks"], 4);
}

}  // namespace
}  // namespace memlong::tools_test
