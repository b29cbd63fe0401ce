// Addresses, limits of connections and time, and the end of a server.
#include <atomic>
#include <cerrno>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/clock.h"
#include "common/error.h"
#include "http/server.h"
#include "http/test_server.h"

namespace memlong::http {
namespace {

using test::call;
using test::HttpClient;
using test::HttpReply;
using testing::AnyOf;
using testing::StartsWith;

std::string failure(const ServerOptions& options, ErrorKind kind) {
  try {
    const Server server(options, echo);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind);
    return error.what();
  }
  return "none";
}

TEST(HttpListen, SaysWhyItCannot) {
  const Server first({.port = 0}, echo);
  EXPECT_EQ(first.address(), "127.0.0.1:" + std::to_string(first.port()));
  EXPECT_EQ(failure({.port = first.port()}, ErrorKind::io),
            "cannot listen on " + first.address() + ": Address already in use");
  EXPECT_THAT(failure({.host = "no such host"}, ErrorKind::usage),
              StartsWith("there is no host 'no such host' to listen on: "));
  EXPECT_THAT(failure({.host = ""}, ErrorKind::usage),
              StartsWith("the host to listen on is empty"));
  EXPECT_EQ(failure({.host = "192.0.2.1", .port = 0}, ErrorKind::io),
            "cannot listen on 192.0.2.1:0: Cannot assign requested address");
}

TEST(HttpListen, TakesNamesAndAllAddresses) {
  for (const std::string host : {"localhost", "0.0.0.0"}) {
    TestServer server(echo, {.host = host});
    EXPECT_EQ(call(server.port(), "GET", "/x").body, "GET /x ") << host;
  }
}

TEST(HttpListen, TakesIpv6) {
  std::unique_ptr<TestServer> server;
  try {
    server = std::make_unique<TestServer>(echo, ServerOptions{.host = "::1"});
  } catch (const Error& error) {
    GTEST_SKIP() << error.what();
  }
  HttpClient client(server->port(), "::1");
  client.request("GET", "/x");
  EXPECT_EQ(client.read_reply().body, "GET /x ");
  const Server bracketed({.host = "[::1]", .port = 0}, echo);
  EXPECT_EQ(bracketed.address(), "[::1]:" + std::to_string(bracketed.port()));
  TestServer all(echo, {.host = "::"});
  EXPECT_EQ(call(all.port(), "GET", "/y").body, "GET /y ");
  HttpClient other(all.port(), "::1");
  other.request("GET", "/z");
  EXPECT_EQ(other.read_reply().body, "GET /z ");
}

TEST(HttpLimits, TheConnectionTooManyIsToldSo) {
  TestServer server(echo, {.max_connections = 2});
  HttpClient first(server.port());
  auto second = std::make_unique<HttpClient>(server.port());
  for (HttpClient* client : {&first, second.get()}) {
    client->request("GET", "/x");
    EXPECT_EQ(client->read_reply().status, 200);
  }
  for (int i = 0; i < 3; ++i) {
    HttpClient third(server.port());
    third.request("GET", "/x");
    const HttpReply reply = third.read_reply();
    EXPECT_EQ(reply.status, 503);
    EXPECT_EQ(reply.header("retry-after"), "1");
    EXPECT_EQ(reply.header("connection"), "close");
    EXPECT_TRUE(third.closed());
  }
  second.reset();
  const Stopwatch watch;
  int status = 503;
  while (status == 503 && watch.seconds() < 30) status = call(server.port(), "GET", "/x").status;
  EXPECT_EQ(status, 200);
  first.request("GET", "/x");
  EXPECT_EQ(first.read_reply().status, 200);
}

TEST(HttpLimits, WhoSaysNothingMakesRoom) {
  TestServer server(echo, {.max_connections = 2});
  HttpClient first(server.port());
  first.request("GET", "/x");
  EXPECT_EQ(first.read_reply().status, 200);
  HttpClient silent(server.port());
  const Stopwatch watch;
  int status = 503;
  while (status == 503 && watch.seconds() < 30) status = call(server.port(), "GET", "/x").status;
  EXPECT_EQ(status, 200);
  EXPECT_TRUE(silent.closed());
  first.request("GET", "/x");
  EXPECT_EQ(first.read_reply().status, 200) << "one that has asked before may be silent longer";
}

TEST(HttpLimits, WhoAskedLongAgoMakesRoomToo) {
  TestServer server(echo, {.max_connections = 1});
  HttpClient first(server.port());
  first.request("GET", "/x");
  EXPECT_EQ(first.read_reply().status, 200);
  const Stopwatch watch;
  int status = 503;
  while (status == 503 && watch.seconds() < 60) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    status = call(server.port(), "GET", "/x").status;
  }
  EXPECT_EQ(status, 200);
  EXPECT_GT(watch.seconds(), 5);
  EXPECT_TRUE(first.closed());
}

TEST(HttpLimits, CrowdsAreSurvived) {
  TestServer server(echo, {.max_connections = 1});
  HttpClient first(server.port());
  first.request("GET", "/x");
  EXPECT_EQ(first.read_reply().status, 200);
  std::vector<std::unique_ptr<HttpClient>> crowd;
  crowd.reserve(100);
  for (int i = 0; i < 100; ++i) crowd.push_back(std::make_unique<HttpClient>(server.port()));
  EXPECT_EQ(crowd.front()->read_reply().status, 503);
  EXPECT_TRUE(crowd.back()->closed()) << "it is not even told";
  first.request("GET", "/x");
  EXPECT_EQ(first.read_reply().status, 200);
}

TEST(HttpLimits, SlowRequestsAreGivenUp) {
  TestServer server(echo, {.idle_seconds = 0.2, .body_seconds = 0.2});
  HttpClient silent(server.port());
  EXPECT_TRUE(silent.closed());
  HttpClient answered(server.port());
  answered.request("GET", "/x");
  EXPECT_EQ(answered.read_reply().status, 200);
  EXPECT_TRUE(answered.closed());
  HttpClient dribbling(server.port());
  std::atomic<bool> over = false;
  std::thread sender([&] {  // never silent for long, never done
    try {
      dribbling.send("GET /x HTTP/1.1\r\nHost: a\r\n");
      while (!over) {
        dribbling.send("X: 1\r\n");
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    } catch (const std::runtime_error&) {  // the server closed the connection
    }
  });
  EXPECT_TRUE(dribbling.closed());
  over = true;
  sender.join();
  HttpClient half(server.port());
  half.request("POST", "/x", "", {{"content-length", "5"}});
  half.send("abc");
  EXPECT_TRUE(half.closed());
  EXPECT_EQ(server.log_lines(2).back(), "POST /x 408");
}

TEST(HttpStop, AStopBeforeItBeganCounts) {
  Server server({.port = 0}, echo);
  server.stop();
  server.run({});
}

TEST(HttpStop, AsksWhetherItShallStop) {
  Server server({.port = 0}, echo);
  int asked = 0;
  const Stopwatch watch;
  server.run([&] { return ++asked == 4; });
  EXPECT_EQ(asked, 4);
  EXPECT_LT(watch.seconds(), 30);
}

TEST(HttpStop, IdleConnectionsAreClosedAndNoneAreTaken) {
  TestServer server(echo, {.idle_seconds = 1000, .drain_seconds = 1000});
  HttpClient unused(server.port());
  HttpClient used(server.port());
  used.request("GET", "/x");
  EXPECT_EQ(used.read_reply().status, 200);
  HttpClient begun(server.port());
  begun.send("GET /x HTT");
  server.stop();
  EXPECT_TRUE(unused.closed());
  EXPECT_TRUE(used.closed());
  EXPECT_TRUE(begun.closed());
  EXPECT_THROW(HttpClient(server.port()), std::runtime_error);
}

TEST(HttpStop, AnswersUnderWayAreFinished) {
  std::shared_ptr<Exchange> exchange;
  Signal arrived;
  TestServer server(
      [&](std::shared_ptr<Exchange> taken) {
        exchange = std::move(taken);
        arrived.set();
      },
      {.drain_seconds = 1000});
  HttpClient client(server.port());
  client.request("GET", "/x");
  client.request("GET", "/next");  // not begun before the stop: never answered
  ASSERT_TRUE(arrived.wait());
  exchange->begin(event_stream());
  exchange->write("data: 1\n\n");
  EXPECT_EQ(client.read_head().headers.count("connection"), 0);
  EXPECT_EQ(client.next_event(), "data: 1");
  HttpClient idle(server.port());
  server.request_stop();
  EXPECT_TRUE(idle.closed()) << "it is stopping";
  exchange->write("data: 2\n\n");
  exchange->end();
  EXPECT_EQ(client.next_event(), "data: 2");
  EXPECT_EQ(client.next_event(), std::nullopt);
  EXPECT_TRUE(client.closed());
  server.stop();
}

TEST(HttpStop, AnswersThatDoNotEndAreCutOff) {
  std::vector<std::shared_ptr<Exchange>> exchanges;
  Signal arrived;
  Signal gone;
  TestServer server(
      [&](std::shared_ptr<Exchange> taken) {
        taken->on_gone([&] { gone.set(); });
        taken->begin(event_stream());
        exchanges.push_back(std::move(taken));
        arrived.set();
      },
      {.drain_seconds = 0.1});
  HttpClient client(server.port());
  client.request("GET", "/x");
  ASSERT_TRUE(arrived.wait());
  client.read_head();
  HttpClient stuck(server.port(), "127.0.0.1", 4096);
  stuck.request("GET", "/y");
  ASSERT_TRUE(arrived.wait(2));
  exchanges.at(1)->write(std::string(size_t{24} << 20, 'x'));
  server.stop();
  EXPECT_TRUE(gone.wait(2));
  for (const auto& exchange : exchanges) EXPECT_TRUE(exchange->gone());
  EXPECT_THROW(client.next_event(), std::runtime_error);
}

}  // namespace
}  // namespace memlong::http
