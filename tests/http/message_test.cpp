#include "http/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace memlong::http {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

Request parsed(std::string_view target) {
  Request request;
  EXPECT_TRUE(parse_target(target, request)) << target;
  return request;
}

TEST(ParseTarget, SplitsBeforeItDecodes) {
  const Request request = parsed("/v1/bank/documents/my%20book%2Fpart+1");
  EXPECT_EQ(request.path, "/v1/bank/documents/my book/part+1");
  EXPECT_THAT(request.segments, ElementsAre("v1", "bank", "documents", "my book/part+1"));
  EXPECT_THAT(request.query, IsEmpty());
}

TEST(ParseTarget, TheRootHasNoSegmentAndASlashAtTheEndCounts) {
  EXPECT_THAT(parsed("/").segments, IsEmpty());
  EXPECT_THAT(parsed("/a/").segments, ElementsAre("a", ""));
  EXPECT_THAT(parsed("//a").segments, ElementsAre("", "a"));
  EXPECT_THAT(parsed("/a/../b").segments, ElementsAre("a", "..", "b"));
}

TEST(ParseTarget, ReadsTheQuery) {
  const Request request = parsed("/search?q=a+b%2Bc&top=3&top=5&flag&&=x&url=a=b?c");
  EXPECT_EQ(request.path, "/search");
  EXPECT_THAT(request.query, ElementsAre(Pair("", "x"), Pair("flag", ""), Pair("q", "a b+c"),
                                         Pair("top", "5"), Pair("url", "a=b?c")));
  EXPECT_THAT(parsed("/?").query, IsEmpty());
}

TEST(ParseTarget, KeepsTextOfAllScripts) {
  EXPECT_EQ(parsed("/%E4%B9%A6").segments.at(0), "\u4e66");
  EXPECT_EQ(parsed("/\u4e66").segments.at(0), "\u4e66");
  EXPECT_EQ(parsed("/%ef%bf%bd").segments.at(0), "\ufffd");
}

TEST(ParseTarget, RefusesWhatIsMalformed) {
  for (const std::string_view target :
       {"", "a", "*", "http://a/b", "/%", "/%4", "/%4g", "/%g4", "/%00", "/a?x=%", "/a?%zz=1",
        "/%ff", "/%c3%28", "/a?x=%00", "/%ed%a0%80", "/%c3/%a9"}) {
    Request request;
    EXPECT_FALSE(parse_target(target, request)) << target;
  }
}

TEST(ErrorResponse, LooksLikeOpenAis) {
  const Response response = error_response(404, "no model 'x'");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.type, "application/json");
  EXPECT_EQ(response.body,
            "{\"error\":{\"message\":\"no model 'x'\",\"type\":\"invalid_request_error\","
            "\"param\":null,\"code\":\"404\"}}\n");
}

TEST(ErrorResponse, TheTypeFollowsFromTheStatus) {
  for (const auto& [status, type] :
       {std::pair(400, "invalid_request_error"), std::pair(401, "authentication_error"),
        std::pair(403, "permission_error"), std::pair(405, "invalid_request_error"),
        std::pair(409, "invalid_request_error"), std::pair(413, "invalid_request_error"),
        std::pair(415, "invalid_request_error"), std::pair(429, "rate_limit_error"),
        std::pair(500, "server_error"), std::pair(503, "unavailable_error"),
        std::pair(507, "server_error")}) {
    const auto body = nlohmann::json::parse(error_response(status, "m").body);
    EXPECT_EQ(body["error"]["type"], type) << status;
    EXPECT_FALSE(reason_phrase(status).empty()) << status;
  }
}

TEST(ErrorResponse, TakesAnyBytes) {
  const auto body = nlohmann::json::parse(error_response(400, "bad \xff byte").body);
  EXPECT_EQ(body["error"]["message"], "bad \ufffd byte");
}

TEST(Printable, KeepsALineOneLine) {
  EXPECT_EQ(printable("/a b/\u00e9\r\n\x1b[2J\x7f"), "/a b/\u00e9\\x0d\\x0a\\x1b[2J\\x7f");
}

TEST(Request, AHeaderThatIsNotThereIsEmpty) {
  Request request;
  request.headers["host"] = "a";
  EXPECT_EQ(request.header("host"), "a");
  EXPECT_EQ(request.header("origin"), "");
}

}  // namespace
}  // namespace memlong::http
