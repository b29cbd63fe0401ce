// Requests and whole answers.
#include "http/server.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "http/test_server.h"

namespace memlong::http {
namespace {

using test::call;
using test::HttpClient;
using test::HttpReply;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Pair;
using testing::StartsWith;

std::string message(const HttpReply& reply) {
  return nlohmann::json::parse(reply.body)["error"]["message"];
}

/// Sends bytes, and expects an error and the end of the connection.
void expect_refused(uint16_t port, const std::string& bytes, int status, const std::string& why) {
  HttpClient client(port);
  client.send(bytes);
  const HttpReply reply = client.read_reply();
  EXPECT_EQ(reply.status, status) << bytes.substr(0, 80);
  EXPECT_EQ(reply.header("connection"), "close");
  EXPECT_THAT(message(reply), HasSubstr(why));
  EXPECT_TRUE(client.closed());
}

TEST(Server, AnswersOneRequestAfterTheOther) {
  TestServer server(echo);
  HttpClient client(server.port());
  for (int i = 0; i < 5; ++i) {
    client.request("POST", "/a/" + std::to_string(i), "body " + std::to_string(i));
    const HttpReply reply = client.read_reply();
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "POST /a/" + std::to_string(i) + " body " + std::to_string(i));
  }
  client.request("GET", "/b");
  HttpReply reply = client.read_reply();
  EXPECT_THAT(reply.header("date"),
              MatchesRegex("[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} 20[0-9]{2} [0-9:]{8} GMT"));
  reply.headers.erase("date");
  EXPECT_THAT(reply.headers,
              ElementsAre(Pair("cache-control", "no-store"), Pair("content-length", "7"),
                          Pair("content-type", "text/plain"), Pair("server", "memlong"),
                          Pair("x-content-type-options", "nosniff")));
  EXPECT_EQ(server.log_lines(6).at(5), "GET /b 200");
}

TEST(Server, TheHandlerSeesTheWholeRequest) {
  Request seen;
  TestServer server([&](const std::shared_ptr<Exchange>& exchange) {
    seen = exchange->request();
    exchange->respond({});
  });
  HttpClient client(server.port());
  client.request("PUT", "/v1/my%20book?a=1&b=%C3%A9", "text", {{"x-one", "1"}, {"X-ONE", "2"}});
  EXPECT_EQ(client.read_reply().status, 200);
  server.stop();
  EXPECT_EQ(seen.method, "PUT");
  EXPECT_EQ(seen.path, "/v1/my book");
  EXPECT_THAT(seen.segments, ElementsAre("v1", "my book"));
  EXPECT_THAT(seen.query, ElementsAre(Pair("a", "1"), Pair("b", "\u00e9")));
  EXPECT_EQ(seen.header("x-one"), "2, 1");
  EXPECT_EQ(seen.header("host"), "localhost");
  EXPECT_EQ(seen.body, "text");
  EXPECT_THAT(seen.peer, MatchesRegex("127\\.0\\.0\\.1:[0-9]+"));
}

TEST(Server, PipelinedRequestsAreAnsweredInOrder) {
  std::vector<std::thread> threads;
  TestServer server([&](std::shared_ptr<Exchange> exchange) {
    threads.emplace_back([exchange = std::move(exchange)] { echo(exchange); });
  });
  HttpClient client(server.port());
  std::string bytes;
  for (int i = 0; i < 20; ++i) {
    bytes += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
  }
  client.send(bytes);
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(client.read_reply().body, "POST /" + std::to_string(i) + " abc");
  server.stop();
  for (std::thread& thread : threads) thread.join();
}

TEST(Server, ReadsChunkedBodiesAlsoInPieces) {
  TestServer server(echo);
  HttpClient client(server.port());
  const std::string bytes =
      "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\na;ext=1\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n";
  client.send(bytes);
  EXPECT_EQ(client.read_reply().body, "PUT /x abc0123456789");
  for (const char c : bytes) client.send(std::string(1, c));
  EXPECT_EQ(client.read_reply().body, "PUT /x abc0123456789");
}

TEST(Server, AsksForTheBodyWhereTheClientWaits) {
  TestServer server(echo);
  HttpClient client(server.port());
  client.request("PUT", "/x", "", {{"expect", "100-continue"}, {"content-length", "4"}});
  EXPECT_EQ(client.read_head().status, 100);
  client.send("body");
  EXPECT_EQ(client.read_reply().body, "PUT /x body");
}

TEST(Server, TheScreenRefusesBeforeTheBodyIsSent) {
  TestServer server(echo, {}, [](const Request& request) -> std::optional<Response> {
    if (request.header("authorization") == "yes") return std::nullopt;
    return error_response(401, "no key for " + request.path + request.body);
  });
  HttpClient client(server.port());
  client.request("PUT", "/x", "", {{"expect", "100-continue"}, {"content-length", "4"}});
  const HttpReply reply = client.read_reply();
  EXPECT_EQ(reply.status, 401);
  EXPECT_EQ(message(reply), "no key for /x");
  EXPECT_EQ(reply.header("connection"), "close");
  EXPECT_TRUE(client.closed());

  HttpClient other(server.port());
  other.request("GET", "/y");
  EXPECT_EQ(other.read_reply().status, 401);
  other.request("GET", "/y", "", {{"authorization", "yes"}});
  EXPECT_EQ(other.read_reply().status, 200) << "without a body the connection goes on";
  EXPECT_THAT(server.log_lines(3), ElementsAre("PUT /x 401", "GET /y 401", "GET /y 200"));
}

TEST(Server, ARefusalReachesAClientThatGoesOnSending) {
  TestServer server(echo, {}, [](const Request&) { return error_response(403, "no"); });
  HttpClient client(server.port());
  client.request("PUT", "/x", std::string(500000, 'x'));
  EXPECT_EQ(client.read_reply().status, 403);
}

TEST(Server, TakesBodiesUpToTheLimit) {
  TestServer server(echo, {.max_body = 1000});
  EXPECT_EQ(call(server.port(), "POST", "/x", std::string(1000, 'x')).body.size(), 1008);
  expect_refused(server.port(), "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 413,
                 "more than the 1000 bytes");
  const std::string chunked = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string piece = "1f4\r\n" + std::string(500, 'x') + "\r\n";
  expect_refused(server.port(), chunked + piece + piece + "1\r\n", 413, "more than the 1000 bytes");
  HttpClient client(server.port());
  client.send(chunked + piece + piece + "0\r\n\r\n");
  EXPECT_EQ(client.read_reply().status, 200);
}

TEST(Server, RefusesWhatIsNoRequest) {
  TestServer server(echo);
  const uint16_t port = server.port();
  for (const std::string& bytes :
       {std::string("\x16\x03\x01\x02\x00\x01\x00", 7), std::string("hello\r\n\r\n"),
        std::string("GET /\r\n\r\n"), std::string("GET / HTTP/9.1\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nno colon\r\n\r\n"),
        std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"),
        std::string(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
        std::string("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")}) {
    expect_refused(port, bytes, 400, "this is no HTTP request");
  }
  expect_refused(port, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
                 400, "the body cannot be read");
  EXPECT_THAT(server.log_lines(1).at(0), "  400");
  EXPECT_EQ(call(port, "GET", "/still").body, "GET /still ");
}

TEST(Server, RefusesHeadsThatAreTooLarge) {
  TestServer server(echo, {.max_head = 2000});
  expect_refused(server.port(), "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(3000, 'x'), 431,
                 "head is too large");
  expect_refused(server.port(), "GET /" + std::string(300000, 'x'), 431, "head is too large");
  std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 1000; ++i) many += "X: 1\r\n";
  expect_refused(server.port(), many + "\r\n", 431, "head is too large");
}

TEST(Server, RefusesRequestsThatCannotBeServed) {
  TestServer server(echo);
  HttpClient client(server.port());
  for (const std::string_view bytes :
       {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"}) {
    client.send(bytes);
    EXPECT_EQ(client.read_reply().status, 400) << bytes;
  }
  client.request("GET", "/ok");
  EXPECT_EQ(client.read_reply().status, 200) << "the connection is still good";
  for (const std::string coding : {"gzip", "gzip, chunked", "identity"}) {
    HttpClient other(server.port());
    other.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + coding + "\r\n\r\n0\r\n\r\n");
    EXPECT_EQ(other.read_reply().status, 501) << coding;
  }
}

TEST(Server, HeadIsGetWithoutTheBody) {
  TestServer server(echo);
  HttpClient client(server.port());
  client.request("HEAD", "/x");
  const HttpReply reply = client.read_reply(true);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("content-length"), "7");
  client.request("GET", "/y");
  EXPECT_EQ(client.read_reply().body, "GET /y ");
}

TEST(Server, StatusesWithoutBodyHaveNone) {
  TestServer server([](const std::shared_ptr<Exchange>& exchange) {
    exchange->respond(text_response("dropped", 204));
  });
  HttpClient client(server.port());
  for (int i = 0; i < 2; ++i) {
    client.request("DELETE", "/x");
    const HttpReply reply = client.read_reply();
    EXPECT_EQ(reply.status, 204);
    EXPECT_EQ(reply.headers.count("content-length") + reply.headers.count("content-type"), 0);
  }
}

TEST(Server, ClosesWhereTheClientWantsIt) {
  TestServer server(echo);
  HttpClient client(server.port());
  client.request("GET", "/x", "", {{"connection", "close"}});
  EXPECT_EQ(client.read_reply().header("connection"), "close");
  EXPECT_TRUE(client.closed());
  HttpClient old(server.port());
  old.send("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(old.read_reply().header("connection"), "keep-alive");
  old.send("GET /x HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.read_reply().body, "GET /x ");
  EXPECT_TRUE(old.closed());
}

TEST(Server, AHandlerThatThrowsGives500AndTheServerGoesOn) {
  TestServer server([](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->request().path == "/bad") throw std::runtime_error("a defect");
    echo(exchange);
  });
  HttpClient client(server.port());
  client.request("GET", "/bad");
  const HttpReply reply = client.read_reply();
  EXPECT_EQ(reply.status, 500);
  EXPECT_EQ(message(reply), "the server failed on this request; its log says more");
  client.request("GET", "/good");
  EXPECT_EQ(client.read_reply().status, 200);
}

TEST(Server, AScreenThatThrowsLetsNobodyIn) {
  TestServer server(echo, {}, [](const Request&) -> std::optional<Response> {
    throw std::runtime_error("a defect");
  });
  EXPECT_EQ(call(server.port(), "GET", "/").status, 500);
}

TEST(Server, ADroppedExchangeAnswers500) {
  std::shared_ptr<Exchange> kept;
  Signal arrived;
  TestServer server([&](std::shared_ptr<Exchange> exchange) {
    if (exchange->request().path == "/now") return;
    kept = std::move(exchange);
    arrived.set();
  });
  EXPECT_EQ(call(server.port(), "GET", "/now").status, 500);
  HttpClient client(server.port());
  client.request("GET", "/later");
  ASSERT_TRUE(arrived.wait());
  kept.reset();
  EXPECT_EQ(client.read_reply().status, 500);
}

TEST(Server, TheDecoratorReachesEveryAnswer) {
  TestServer server(
      echo, {.max_body = 10},
      [](const Request& request) -> std::optional<Response> {
        if (request.path == "/no") return error_response(403, "no");
        return std::nullopt;
      },
      [](const Request& request, Response& response) {
        response.headers.emplace_back("X-Origin", "of " + request.header("origin") + "\r\nX: 1");
      });
  for (const std::string target : {"/yes", "/no", "/%zz"}) {
    const HttpReply reply = call(server.port(), "GET", target, "", {{"origin", "o"}});
    EXPECT_EQ(reply.header("x-origin"), "of o  X: 1") << target;
  }
  const HttpReply large = call(server.port(), "POST", "/yes", "12345678901", {{"origin", "o"}});
  EXPECT_EQ(large.status, 413);
  EXPECT_EQ(large.header("x-origin"), "of o  X: 1");
}

TEST(Server, NoAnswerIsLostBetweenThreads) {
  std::mutex mutex;
  std::vector<std::thread> threads;
  TestServer server([&](std::shared_ptr<Exchange> exchange) {
    const std::scoped_lock lock(mutex);
    threads.emplace_back([exchange = std::move(exchange)] { echo(exchange); });
  });
  std::vector<std::thread> clients;
  std::atomic<int> good = 0;
  clients.reserve(8);
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([&, c] {
      HttpClient client(server.port());
      for (int i = 0; i < 50; ++i) {
        const std::string path = "/" + std::to_string(c) + "/" + std::to_string(i);
        client.request("GET", path);
        good += client.read_reply().body == "GET " + path + " " ? 1 : 0;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, 400);
  server.stop();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace memlong::http
