// Front before there is anything to serve; tests/tools/serve_*_test.cpp have the rest.
#include "server/front.h"

#include <future>

#include <gmock/gmock.h>

#include "common/error.h"

namespace memlong::server {
namespace {

using testing::HasSubstr;

/// Keeps what it is told.
class Kept final : public http::Exchange {
 public:
  Kept(const char* method, const char* target) {
    request_.method = method;
    http::parse_target(target, request_);
  }
  [[nodiscard]] const http::Request& request() const override { return request_; }
  void respond(http::Response response) override { answer.set_value(std::move(response)); }
  void begin(http::Response head) override { (void)head; }
  void write(std::string piece) override { (void)piece; }
  void end() override {}
  void fail() override {}
  [[nodiscard]] bool gone() const override { return false; }
  void on_gone(std::function<void()> fn) override { (void)fn; }

  std::promise<http::Response> answer;

 private:
  http::Request request_;
};

http::Response ask(Front& front, const char* method, const char* target) {
  const auto exchange = std::make_shared<Kept>(method, target);
  front.handle(exchange);
  return exchange->answer.get_future().get();
}

TEST(Front, WhileTheModelIsLoaded) {
  std::promise<void> let;
  std::promise<void> loaded;
  Front front(
      [&]() -> ServiceParts {
        let.get_future().wait();
        fail(ErrorKind::io, "the disk has gone");
      },
      8, [&] { loaded.set_value(); });
  const http::Response health = ask(front, "GET", "/health");
  EXPECT_EQ(health.status, 503);
  EXPECT_EQ(health.body, R"({"status":"loading"})");
  EXPECT_EQ(ask(front, "GET", "/metrics").status, 200);
  EXPECT_THAT(ask(front, "GET", "/metrics").body, HasSubstr("\nmemlong_ready 0\n"));
  const http::Response models = ask(front, "GET", "/v1/models");
  EXPECT_EQ(models.status, 503);
  EXPECT_THAT(models.headers,
              testing::Contains(std::pair<std::string, std::string>("Retry-After", "5")));
  EXPECT_EQ(ask(front, "POST", "/v1/chat/completions").status, 503);
  EXPECT_EQ(ask(front, "GET", "/v1/chat/completions").status, 405);
  EXPECT_EQ(ask(front, "GET", "/nothing").status, 404);
  EXPECT_EQ(ask(front, "GET", "/v1/bank/documents/").status, 404) << "no name is none";
  EXPECT_EQ(front.failure(), nullptr);
  let.set_value();
  loaded.get_future().wait();
  try {
    std::rethrow_exception(front.failure());
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::io);
    EXPECT_STREQ(error.what(), "the disk has gone");
  }
  EXPECT_EQ(ask(front, "GET", "/v1/models").status, 503) << "it never became ready";
}

TEST(Front, CountsRequestsByRoute) {
  std::promise<void> loaded;
  Front front([]() -> ServiceParts { fail(ErrorKind::io, "nothing there"); }, 8,
              [&] { loaded.set_value(); });
  http::Request request;
  request.method = "GET";
  http::parse_target("/v1/bank/documents/17", request);
  front.count(request, 404, 0.5);
  http::parse_target("/somewhere/else", request);
  front.count(request, 404, 0.5);
  const std::string page = ask(front, "GET", "/metrics").body;
  EXPECT_THAT(page, HasSubstr("{route=\"/v1/bank/documents/*\",status=\"404\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("{route=\"none\",status=\"404\"} 1\n"));
}

}  // namespace
}  // namespace memlong::server
