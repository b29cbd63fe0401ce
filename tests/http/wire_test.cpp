#include "http/wire.h"

#include <gtest/gtest.h>

namespace memlong::http {
namespace {

constexpr std::time_t kTime = 784111777;

TEST(Wire, WritesTheHead) {
  Response response;
  response.status = 429;
  response.body = "12345";
  response.headers = {{"Retry-After", "2"}};
  EXPECT_EQ(head_text(response, Framing::length, "close", kTime),
            "HTTP/1.1 429 Too Many Requests\r\n"
            "Server: memlong\r\n"
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Content-Type: application/json\r\n"
            "Content-Length: 5\r\n"
            "Cache-Control: no-store\r\n"
            "X-Content-Type-Options: nosniff\r\n"
            "Connection: close\r\n"
            "Retry-After: 2\r\n\r\n");
}

TEST(Wire, TheFramingSaysWhereTheBodyEnds) {
  const auto has = [](Framing framing, const std::string& text) {
    return head_text({}, framing, "", kTime).find(text) != std::string::npos;
  };
  EXPECT_TRUE(has(Framing::chunked, "\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_TRUE(has(Framing::length, "\r\nContent-Length: 0\r\n"));
  for (const Framing framing : {Framing::none, Framing::until_close}) {
    EXPECT_FALSE(has(framing, "Transfer-Encoding"));
    EXPECT_FALSE(has(framing, "Content-Length"));
  }
  EXPECT_FALSE(has(Framing::none, "\r\nContent-Type"));
}

TEST(Wire, AValueCannotAddLines) {
  Response response;
  response.type = "a\r\nX: 1";
  response.headers = {{"Y", std::string("b\0\n\x7f\u00e9", 6)}};
  const std::string text = head_text(response, Framing::length, "", kTime);
  EXPECT_NE(text.find("\r\nContent-Type: a  X: 1\r\n"), std::string::npos);
  EXPECT_NE(text.find("\r\nY: b   \u00e9\r\n"), std::string::npos);
}

TEST(Wire, ChunksSayTheirSize) {
  EXPECT_EQ(chunk("abc"), "3\r\nabc\r\n");
  EXPECT_EQ(chunk(std::string(255, 'x')), "ff\r\n" + std::string(255, 'x') + "\r\n");
}

TEST(Wire, SomeStatusesHaveNoBody) {
  for (const int status : {100, 204, 304}) EXPECT_TRUE(without_body(status)) << status;
  for (const int status : {200, 201, 400, 500}) EXPECT_FALSE(without_body(status)) << status;
}

}  // namespace
}  // namespace memlong::http
