#include "http/guard.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"

namespace memlong::http {
namespace {

using testing::HasSubstr;

using Headers = std::map<std::string, std::string>;

Request request(const std::string& method, const std::string& path, Headers headers = {}) {
  Request made;
  made.method = method;
  EXPECT_TRUE(parse_target(path, made));
  headers.emplace("host", "127.0.0.1:8080");
  made.headers = std::move(headers);
  return made;
}

/// 0: it may go on.
int status(const Guard& guard, const Request& asked) {
  const auto refusal = guard.refuse(asked);
  return refusal ? refusal->status : 0;
}

int chat(const Guard& guard, Headers headers) {
  headers.emplace("content-type", "application/json");
  headers.emplace("content-length", "10");
  return status(guard, request("POST", "/v1/chat/completions", std::move(headers)));
}

std::string value(const Response& response, const std::string& name) {
  for (const auto& [key, text] : response.headers) {
    if (key == name) return text;
  }
  return "none";
}

TEST(Guard, LetsLocalProgramsAsk) {
  const Guard guard{GuardOptions{}};
  EXPECT_EQ(status(guard, request("GET", "/health")), 0);
  EXPECT_EQ(status(guard, request("DELETE", "/v1/bank/documents/a")), 0);
  EXPECT_EQ(chat(guard, {}), 0);
}

TEST(Guard, WantsOneOfTheKeys) {
  const Guard guard{GuardOptions{.keys = {"first", "second key"}}};
  EXPECT_EQ(chat(guard, {{"authorization", "Bearer first"}}), 0);
  EXPECT_EQ(chat(guard, {{"authorization", "bearer second key"}}), 0);
  for (const std::string bad :
       {"", "first", "Bearer", "Bearer ", "Bearer firs", "Bearer first ", "Bearer First",
        "Basic first", "Bearer first, Bearer first", "Bearer second"}) {
    EXPECT_EQ(chat(guard, {{"authorization", bad}}), 401) << bad;
  }
  const auto refusal = guard.refuse(request("GET", "/v1/models"));
  ASSERT_TRUE(refusal);
  EXPECT_EQ(value(*refusal, "WWW-Authenticate"), "Bearer");
  EXPECT_THAT(refusal->body, HasSubstr("authentication_error"));
  EXPECT_THAT(refusal->body, HasSubstr("Authorization: Bearer KEY"));
}

TEST(Guard, HealthNeedsNoKey) {
  const Guard guard{GuardOptions{.keys = {"k"}}};
  EXPECT_EQ(status(guard, request("GET", "/health")), 0);
  EXPECT_EQ(status(guard, request("POST", "/health")), 401);
  EXPECT_EQ(status(guard, request("GET", "/health/")), 401);
  EXPECT_EQ(status(guard, request("GET", "/%68ealth")), 0);
}

TEST(Guard, AnswersOnlyToLoopbackNames) {
  const Guard guard{GuardOptions{.hosts = {"Box.local"}}};
  for (const std::string host : {"localhost", "LOCALHOST:8080", "127.0.0.1", "127.8.9.10:1",
                                 "[::1]", "[::1]:8080", "box.local", "box.local:8080"}) {
    EXPECT_EQ(status(guard, request("GET", "/health", {{"host", host}})), 0) << host;
  }
  for (const std::string host :
       {"evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example",
        "127.evil.example", "127.0.0.256", "127.0.0", "127.0.0.1.", "[::2]", "[::1", "::1",
        "10.0.0.1", "x@localhost", "localhost, evil"}) {
    EXPECT_EQ(status(guard, request("GET", "/health", {{"host", host}})), 403) << host;
  }
}

TEST(Guard, AnyNameWillDoWithAKeyOrOnAnOpenAddress) {
  const Headers named = {{"host", "box.example"}, {"authorization", "Bearer k"}};
  EXPECT_EQ(status(Guard{GuardOptions{.keys = {"k"}}}, request("GET", "/v1/models", named)), 0);
  EXPECT_EQ(status(Guard{GuardOptions{.loopback = false}}, request("GET", "/", named)), 0);
}

TEST(Guard, WebPagesOfOthersMayNotAsk) {
  const Guard guard{GuardOptions{.origins = {"https://A.example", "http://b.example:3000"}}};
  for (const std::string method : {"GET", "POST", "PUT", "DELETE", "OPTIONS"}) {
    const auto from = [&](const std::string& origin) {
      return status(guard, request(method, "/v1/models", {{"origin", origin}}));
    };
    EXPECT_EQ(from("https://a.example"), 0) << method;
    EXPECT_EQ(from("http://b.example:3000"), 0) << method;
    EXPECT_EQ(from("http://127.0.0.1:8080"), 0) << method << ": the server's own page";
    EXPECT_EQ(from("http://a.example"), 403) << method;
    EXPECT_EQ(from("http://b.example"), 403) << method;
    EXPECT_EQ(from("http://127.0.0.1:8081"), 403) << method;
    EXPECT_EQ(from("https://a.example.evil"), 403) << method;
    EXPECT_EQ(from("null"), 403) << method;
    EXPECT_EQ(from("https://a.example, https://a.example"), 403) << method;
  }
}

TEST(Guard, ARightKeyDoesNotOpenTheDoorToOtherPages) {
  const Guard guard{GuardOptions{.keys = {"k"}}};
  EXPECT_EQ(chat(guard, {{"authorization", "Bearer k"}, {"origin", "https://evil.example"}}), 403);
}

TEST(Guard, ANameLedHereIsNotTheServersOwnPage) {
  const Guard guard{GuardOptions{}};
  EXPECT_EQ(chat(guard, {{"host", "evil.example:8080"}, {"origin", "http://evil.example:8080"}}),
            403);
}

TEST(Guard, BodiesOfPostAreJson) {
  const Guard guard{GuardOptions{}};
  for (const std::string type :
       {"application/json", "Application/JSON; charset=utf-8", "application/json ;charset=utf-8"}) {
    EXPECT_EQ(chat(guard, {{"content-type", type}}), 0) << type;
  }
  for (const std::string type :
       {"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a",
        "application/jsonx", "text/plain; application/json", "application/json, text/plain"}) {
    EXPECT_EQ(chat(guard, {{"content-type", type}}), 415) << type;
  }
  const Headers chunked = {{"transfer-encoding", "chunked"}};
  EXPECT_EQ(status(guard, request("POST", "/v1/a", chunked)), 415);
  EXPECT_EQ(status(guard, request("POST", "/v1/a", {{"content-length", "0"}})), 0);
  EXPECT_EQ(status(guard, request("POST", "/v1/a")), 0);
  const Headers text = {{"content-type", "text/plain"}, {"content-length", "3"}};
  EXPECT_EQ(status(guard, request("PUT", "/v1/bank/documents/a", text)), 0);
}

TEST(Guard, AnswersThePreflightOfAPageThatMayAsk) {
  const Guard guard{GuardOptions{.keys = {"k"}, .origins = {"https://a.example"}}};
  const auto ask = [&](const std::string& origin) {
    return request("OPTIONS", "/v1/chat/completions",
                   {{"origin", origin}, {"access-control-request-method", "POST"}});
  };
  auto answer = guard.refuse(ask("https://a.example"));
  ASSERT_TRUE(answer);
  guard.add_headers(ask("https://a.example"), *answer);
  EXPECT_EQ(answer->status, 204);
  EXPECT_EQ(answer->body, "");
  EXPECT_EQ(value(*answer, "Access-Control-Allow-Origin"), "https://a.example");
  EXPECT_EQ(value(*answer, "Access-Control-Allow-Methods"), "GET, POST, PUT, PATCH, DELETE");
  EXPECT_EQ(value(*answer, "Access-Control-Allow-Headers"), "Authorization, Content-Type, *");
  EXPECT_EQ(value(*answer, "Access-Control-Max-Age"), "600");
  EXPECT_EQ(value(*answer, "Vary"), "Origin");

  auto refusal = guard.refuse(ask("https://b.example"));
  ASSERT_TRUE(refusal);
  guard.add_headers(ask("https://b.example"), *refusal);
  EXPECT_EQ(refusal->status, 403);
  EXPECT_EQ(value(*refusal, "Access-Control-Allow-Origin"), "none");
  EXPECT_EQ(status(guard, request("OPTIONS", "/v1/models")), 401) << "no preflight";
}

TEST(Guard, NamesTheOriginThatMayRead) {
  const auto headers = [](const GuardOptions& options, const std::string& origin) {
    Response response;
    Guard(options).add_headers(request("GET", "/", {{"origin", origin}}), response);
    return response;
  };
  EXPECT_EQ(
      value(headers({.origins = {"*"}}, "https://any.example"), "Access-Control-Allow-Origin"),
      "*");
  EXPECT_EQ(value(headers({.origins = {"*"}}, "https://any.example"), "Vary"), "none");
  EXPECT_EQ(
      status(Guard{GuardOptions{.origins = {"*"}}}, request("GET", "/", {{"origin", "null"}})), 0);
  EXPECT_TRUE(headers({}, "http://127.0.0.1:8080").headers.empty());
  EXPECT_EQ(value(headers({.origins = {"http://a"}}, ""), "Access-Control-Allow-Origin"), "none");
  EXPECT_EQ(value(headers({.origins = {"http://a"}}, ""), "Vary"), "Origin");
}

TEST(Guard, RefusesSettingsThatCannotBeMeant) {
  const auto message = [](const GuardOptions& options) -> std::string {
    try {
      const Guard guard(options);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return error.what();
    }
    return "none";
  };
  EXPECT_EQ(message({.keys = {"a", ""}}), "an API key is empty; give it at least one character");
  for (const std::string bad : {"", "null", "a.example", "https://", "https://a/", "https://*.a",
                                "https://a, https://b", "://a"}) {
    EXPECT_EQ(message({.origins = {bad}}),
              "'" + bad + "' is no origin of web pages; write it as https://host:port, or *");
  }
  EXPECT_EQ(message({.origins = {"*", "https://a:1", "app://x"}}), "none");
}

TEST(IsLoopback, KnowsNamesAndAddresses) {
  for (const std::string_view host :
       {"localhost", "Localhost", "127.0.0.1", "127.255.0.9", "::1", "[::1]"})
    EXPECT_TRUE(is_loopback(host)) << host;
  for (const std::string_view host :
       {"", "0.0.0.0", "::", "128.0.0.1", "127", "127.0.0.1:80", "127.0.0.0001"})
    EXPECT_FALSE(is_loopback(host)) << host;
}

}  // namespace
}  // namespace memlong::http
