// memlong-serve: texts, searches, and who may ask.
#include <csignal>
#include <fstream>

#include <gmock/gmock.h>

#include "tools/running_server.h"

namespace memlong::tools_test {
namespace {

using nlohmann::json;
using test::call;
using test::HttpReply;
using testing::HasSubstr;
using Words = std::vector<std::string>;

constexpr const char* kText =
    "The lighthouse keeper hid the silver key under the third step of the stairs.\n";

class ServeBank : public ServerTest {};

HttpReply put(const RunningServer& server, const std::string& target, const std::string& text) {
  return call(server.port(), "PUT", target, text, {{"content-type", "text/plain"}});
}

void expect(const HttpReply& reply, int status, const char* reason) {
  EXPECT_EQ(reply.status, status) << reply.body;
  EXPECT_THAT(reply.body, HasSubstr(reason));
  EXPECT_EQ(json::parse(reply.body)["error"]["code"], std::to_string(status));
}

json search(const RunningServer& server, const json& body) {
  const HttpReply reply = server.post("/v1/bank/search", body);
  EXPECT_EQ(reply.status, 200) << reply.body;
  return json::parse(reply.body)["data"];
}

TEST_F(ServeBank, ATextIsMemorizedFoundReplacedAndForgotten) {
  RunningServer server = serve();
  HttpReply reply = put(server, "/v1/bank/documents/the%20key%2F1?namespace=tales", kText);
  ASSERT_EQ(reply.status, 201) << reply.body;
  json put_json = json::parse(reply.body);
  EXPECT_EQ(put_json["outcome"], "new");
  EXPECT_EQ(put_json["document"]["name"], "the key/1");
  EXPECT_EQ(put_json["document"]["namespace"], "tales");
  EXPECT_EQ(put_json["document"]["text_bytes"], std::string(kText).size());
  const std::string id = put_json["document"]["document"].dump();

  reply = put(server, "/v1/bank/documents/the%20key%2F1?namespace=tales", kText);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(json::parse(reply.body)["outcome"], "known");

  json found = search(server, {{"query", "Where is the silver key?"}, {"top_k", 3}});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0]["name"], "the key/1");
  EXPECT_THAT(found[0]["text"].get<std::string>(), HasSubstr("the silver key"));
  EXPECT_EQ(search(server, {{"query", "key"}, {"namespace", "other"}}).size(), 0U);
  EXPECT_EQ(json::parse(server.get("/v1/bank/documents/" + id + "?text=true").body)["text"], kText);

  reply = put(server, "/v1/bank/documents/the%20key%2F1?namespace=tales", "Another story.");
  EXPECT_EQ(json::parse(reply.body)["documents_replaced"], 1);
  EXPECT_EQ(server.get("/v1/bank/documents/" + id).status, 404);
  const std::string next = json::parse(reply.body)["document"]["document"].dump();
  reply = call(server.port(), "DELETE", "/v1/bank/documents/" + next);
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(json::parse(reply.body)["chunks"], 1);
  EXPECT_EQ(call(server.port(), "DELETE", "/v1/bank/documents/" + next).status, 404);
  EXPECT_EQ(json::parse(server.get("/v1/bank").body)["documents"], 0);
}

TEST_F(ServeBank, OpenDialogsReadTextsThatComeLater) {
  RunningServer server = serve();
  const auto ask = [&] {
    return server.chat({{"session", "anna"},
                        {"retrieved", true},
                        {"messages", {message("user", "Where is the silver key?")}}});
  };
  EXPECT_EQ(ask()["memlong"]["retrieved_chunks"], 0);
  const HttpReply reply = server.post("/v1/bank/documents", {{"name", "the key"}, {"text", kText}});
  ASSERT_EQ(reply.status, 201) << reply.body;
  json answer = ask();
  ASSERT_EQ(answer["memlong"]["retrieved"].size(), 1U);
  EXPECT_EQ(answer["memlong"]["retrieved"][0]["name"], "the key");
  const std::string id = json::parse(reply.body)["document"]["document"].dump();
  EXPECT_EQ(call(server.port(), "DELETE", "/v1/bank/documents/" + id).status, 200);
  EXPECT_EQ(ask()["memlong"]["retrieved_chunks"], 0);
  // Another namespace's texts are not read.
  put(server, "/v1/bank/documents/key?namespace=tales", kText);
  EXPECT_EQ(ask()["memlong"]["retrieved_chunks"], 0);
}

TEST_F(ServeBank, AForgottenDialogBeginsAnew) {
  RunningServer server = serve();
  const auto say = [&](const char* text) {
    return server.chat({{"session", "anna"}, {"messages", {message("user", text)}}});
  };
  const json first = say("My hat is in the oven.");
  const std::string id = first["memlong"]["document"].dump();
  EXPECT_EQ(call(server.port(), "DELETE", "/v1/bank/documents/" + id).status, 200);
  const json again = say("Hello.");
  EXPECT_EQ(again["memlong"]["dialog_turns"], 2);
  EXPECT_NE(again["memlong"]["document"], first["memlong"]["document"]);
}

TEST_F(ServeBank, DocumentsAreForgottenByName) {
  RunningServer server = serve();
  const auto forget = [&](const std::string& query) {
    return call(server.port(), "DELETE", "/v1/bank/documents" + query);
  };
  for (const char* place : {"", "?namespace=tales"}) {
    put(server, std::string("/v1/bank/documents/key") + place, kText);
  }
  // The same name twice, and once more as a dialog's.
  server.post("/v1/bank/documents", {{"name", "key"}, {"text", "Another story."}});
  server.chat({{"session", "key"}, {"messages", {message("user", "My hat is in the oven.")}}});
  expect(forget(""), 400, "name=NAME");
  expect(forget("?namespace=tales"), 400, "name=NAME");
  expect(forget("?name=other"), 404, "no such document");
  expect(forget("?name=key&kind=texts"), 400, "'kind'");
  EXPECT_EQ(json::parse(server.get("/v1/bank").body)["documents"], 4);

  HttpReply reply = forget("?name=key&kind=text");
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(json::parse(reply.body)["documents"].size(), 2U);
  EXPECT_EQ(json::parse(reply.body)["chunks"], 2);
  reply = forget("?name=key");
  EXPECT_EQ(json::parse(reply.body)["documents"].size(), 1U) << "the dialog";
  const json left = json::parse(server.get("/v1/bank/documents").body)["data"];
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0]["namespace"], "tales");
}

TEST_F(ServeBank, ListsAreTurnedPageByPage) {
  RunningServer server = serve();
  for (const char* name : {"a", "b", "c"}) {
    put(server, std::string("/v1/bank/documents/") + name, std::string("Text ") + name);
  }
  json page = json::parse(server.get("/v1/bank/documents?limit=2").body);
  ASSERT_EQ(page["data"].size(), 2U);
  EXPECT_EQ(page["has_more"], true);
  page = json::parse(
      server.get("/v1/bank/documents?limit=2&after=" + page["data"][1]["document"].dump()).body);
  ASSERT_EQ(page["data"].size(), 1U);
  EXPECT_EQ(page["data"][0]["name"], "c");
  EXPECT_EQ(page["has_more"], false);
  EXPECT_EQ(json::parse(server.get("/v1/bank/documents?name=b").body)["data"].size(), 1U);
  EXPECT_EQ(json::parse(server.get("/v1/bank/documents?kind=dialog").body)["data"].size(), 0U);
  EXPECT_EQ(server.get("/v1/bank/documents?limit=many").status, 400);
  EXPECT_EQ(server.get("/v1/bank/documents?kind=texts").status, 400);
}

TEST_F(ServeBank, TokensAndVectors) {
  RunningServer server = serve();
  const json tokens = json::parse(server.post("/tokenize", {{"content", "A red hat."}}).body);
  ASSERT_GT(tokens["tokens"].size(), 2U);
  EXPECT_EQ(json::parse(server.post("/detokenize", tokens).body)["content"], "A red hat.");
  const HttpReply reply =
      server.post("/v1/embeddings", {{"input", {"A red hat.", "A red hat.", "The sea."}}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  const json data = json::parse(reply.body)["data"];
  ASSERT_EQ(data.size(), 3U);
  EXPECT_EQ(data[0]["embedding"].size(), 256U);
  EXPECT_EQ(data[0]["embedding"], data[1]["embedding"]);
  double squares = 0;
  double likeness = 0;
  for (size_t i = 0; i < 256; ++i) {
    const double value = data[0]["embedding"][i];
    squares += value * value;
    likeness += value * data[2]["embedding"][i].get<double>();
  }
  EXPECT_NEAR(squares, 1.0, 1e-5);
  EXPECT_LT(likeness, 0.9);
  const json base64 = json::parse(
      server.post("/v1/embeddings", {{"input", "A red hat."}, {"encoding_format", "base64"}}).body);
  EXPECT_EQ(base64["data"][0]["embedding"].get<std::string>().size(), (1024 + 2) / 3 * 4U);
}

TEST_F(ServeBank, WrongRequestsAreAnsweredAndNothingElse) {
  RunningServer server = serve();
  const uint16_t port = server.port();
  expect(server.get("/v1/nothing"), 404, "there is nothing at /v1/nothing");
  expect(server.get("/v1/chat/completions"), 405, "takes POST");
  EXPECT_EQ(call(port, "POST", "/v1/bank/documents/5", "{}").header("allow"), "GET, PUT, DELETE");
  expect(call(port, "POST", "/v1/chat/completions", "{"), 400, "no JSON");
  expect(call(port, "POST", "/v1/chat/completions", "{}", {{"content-type", "text/plain"}}), 415,
         "application/json");
  expect(server.post("/v1/chat/completions", {{"messages", {message("robot", "x")}}}), 400,
         "none of system, user, assistant");
  expect(server.post("/v1/embeddings", {{"input", json::array()}}), 400, "'input'");
  expect(server.post("/v1/bank/search", {{"query", ""}}), 400, "'query'");
  expect(server.post("/v1/bank/search", {{"query", "x"}, {"top_k", 0}}), 400, "'top_k'");
  expect(server.post("/detokenize", {{"tokens", {-1}}}), 400, "'tokens'");
  expect(server.post("/detokenize", {{"tokens", {999999}}}), 400, "'tokens'");
  expect(put(server, "/v1/bank/documents/x", "\xff\xfe"), 400, "UTF-8");
  expect(put(server, "/v1/bank/documents/x", "  \n"), 400, "empty");
  expect(put(server, "/v1/bank/documents/x?namespace=" + std::string(500, 'n'), "Text"), 400,
         "namespace");
  expect(server.get("/v1/bank/documents/0"), 404, "no such document");
  expect(server.get("/v1/bank/documents/-1"), 404, "no such document");
  expect(server.get("/v1/bank/documents/99999999999999999999"), 404, "no such document");
  EXPECT_EQ(json::parse(server.get("/v1/bank").body)["documents"], 0);
  EXPECT_EQ(server.get("/health").status, 200);
  EXPECT_EQ(server.end(SIGTERM), 0) << server.err();
}

TEST_F(ServeBank, WithoutABankNothingHasAName) {
  RunningServer server(folder_, {});
  const HttpReply reply = server.post(
      "/v1/chat/completions", {{"session", "anna"}, {"messages", {message("user", "Hello.")}}});
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("--bank"));
  EXPECT_EQ(server.get("/v1/bank").status, 400);
  EXPECT_EQ(put(server, "/v1/bank/documents/x", kText).status, 400);
}

TEST_F(ServeBank, NoSaveOnlyReads) {
  {
    RunningServer server = serve();
    server.chat({{"session", "anna"}, {"messages", {message("user", "My hat is in the oven.")}}});
    EXPECT_EQ(server.end(SIGTERM), 0);
  }
  RunningServer server = serve({"--no-save"});
  EXPECT_EQ(put(server, "/v1/bank/documents/x", kText).status, 400);
  EXPECT_EQ(call(server.port(), "DELETE", "/v1/bank/documents/1").status, 400);
  const json answer =
      server.chat({{"session", "anna"}, {"messages", {message("user", "Where is my hat?")}}});
  EXPECT_THAT(said(answer), HasSubstr("in the oven"));
  EXPECT_EQ(json::parse(server.get("/v1/bank/documents/1").body)["messages"].size(), 2U);
}

TEST_F(ServeBank, KeysAreAskedFor) {
  const auto keys = folder_.path() / "keys";
  std::ofstream(keys) << "# of the house\n  second-key \n";
  RunningServer server = serve({"--api-key", "first,key", "--api-key-file", keys.string()});
  const auto models = [&](const std::string& authorization) {
    return call(server.port(), "GET", "/v1/models", "", {{"authorization", authorization}}).status;
  };
  EXPECT_EQ(server.get("/v1/models").status, 401);
  EXPECT_EQ(models("Bearer wrong"), 401);
  EXPECT_EQ(models("Bearer first,key"), 200);
  EXPECT_EQ(models("Bearer second-key"), 200);
  EXPECT_EQ(server.get("/health").status, 200);
}

TEST_F(ServeBank, PagesOfOthersAreRefused) {
  RunningServer server = serve({"--cors-origin", "https://a.example"});
  const auto models = [&](const test::HttpHeaders& headers) {
    return call(server.port(), "GET", "/v1/models", "", headers);
  };
  EXPECT_EQ(models({{"origin", "https://b.example"}}).status, 403);
  EXPECT_EQ(models({{"host", "b.example"}}).status, 403);
  const HttpReply good = models({{"origin", "https://a.example"}});
  EXPECT_EQ(good.status, 200);
  EXPECT_EQ(good.header("access-control-allow-origin"), "https://a.example");
}

}  // namespace
}  // namespace memlong::tools_test
