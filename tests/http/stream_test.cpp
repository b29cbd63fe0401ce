// Answers that come piece by piece, and clients that leave or do not listen.
#include <atomic>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/server.h"
#include "http/test_server.h"

namespace memlong::http {
namespace {

using test::HttpClient;
using test::HttpReply;
using testing::ElementsAre;

/// A server whose one exchange the test itself answers, on its own thread.
class Stream {
 public:
  explicit Stream(ServerOptions options = {})
      : server([this](std::shared_ptr<Exchange> exchange) { take(std::move(exchange)); },
               std::move(options)) {}

  /// The exchange of the next request. Whoever calls it holds the only reference.
  std::shared_ptr<Exchange> next() {
    EXPECT_TRUE(arrived_.wait(++wanted_));
    const std::scoped_lock lock(mutex_);
    return std::move(exchange_);
  }

 private:
  void take(std::shared_ptr<Exchange> exchange) {
    const std::scoped_lock lock(mutex_);
    exchange_ = std::move(exchange);
    arrived_.set();
  }

  std::mutex mutex_;
  std::shared_ptr<Exchange> exchange_;
  Signal arrived_;
  int wanted_ = 0;

 public:
  TestServer server;
};

std::shared_ptr<Exchange> ask(Stream& stream, const HttpClient& client) {
  client.request("GET", "/stream");
  return stream.next();
}

TEST(HttpStream, EachPieceArrivesAsItIsWritten) {
  Stream stream;
  HttpClient client(stream.server.port());
  for (int round = 0; round < 2; ++round) {  // the connection outlives a stream
    const auto exchange = ask(stream, client);
    exchange->begin(event_stream());
    const HttpReply head = client.read_head();
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.header("content-type"), "text/event-stream");
    EXPECT_EQ(head.header("transfer-encoding"), "chunked");
    EXPECT_EQ(head.header("cache-control"), "no-store");
    for (int i = 0; i < 20; ++i) {
      const std::string event = "data: " + std::to_string(i);
      exchange->write(event + "\n\n");
      EXPECT_EQ(client.next_event(), event);
    }
    exchange->write("");
    exchange->write("data: [DONE]\n\n");
    exchange->end();
    EXPECT_EQ(client.next_event(), "data: [DONE]");
    EXPECT_EQ(client.next_event(), std::nullopt);
    EXPECT_FALSE(exchange->gone());
  }
  EXPECT_THAT(stream.server.log_lines(2), ElementsAre("GET /stream 200", "GET /stream 200"));
}

TEST(HttpStream, OldClientsGetItUpToTheEndOfTheConnection) {
  Stream stream;
  HttpClient client(stream.server.port());
  client.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const auto exchange = stream.next();
  exchange->begin(event_stream());
  exchange->write("data: 1\n\n");
  const HttpReply head = client.read_head();
  EXPECT_EQ(head.header("connection"), "close");
  EXPECT_EQ(head.headers.count("transfer-encoding"), 0);
  EXPECT_EQ(client.next_event(), "data: 1");
  exchange->end();
  EXPECT_EQ(client.next_event(), std::nullopt);
}

TEST(HttpStream, AHeadAloneHasNoPieces) {
  Stream stream;
  HttpClient client(stream.server.port());
  client.request("HEAD", "/stream");
  auto exchange = stream.next();
  exchange->begin(event_stream());
  exchange->write("data: 1\n\n");
  exchange->end();
  EXPECT_EQ(client.read_reply(true).status, 200);
  client.request("GET", "/stream");
  exchange = stream.next();
  exchange->respond(text_response("next"));
  EXPECT_EQ(client.read_reply().body, "next");
}

TEST(HttpStream, SilentEventStreamsGetCommentsAndOthersDoNot) {
  Stream stream({.keep_alive_seconds = 0.02});
  HttpClient plain(stream.server.port());
  const auto silent = ask(stream, plain);
  silent->begin(text_response(""));
  silent->write("a");
  HttpClient client(stream.server.port());
  const auto exchange = ask(stream, client);
  exchange->begin(event_stream());
  client.read_head();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.next_event(), ": ");
  exchange->write("data: 1\n\n");
  exchange->end();
  std::optional<std::string> event = client.next_event();
  while (event == ": ") event = client.next_event();
  EXPECT_EQ(event, "data: 1");
  EXPECT_EQ(client.next_event(), std::nullopt);
  silent->write("b");
  silent->end();
  EXPECT_EQ(plain.read_reply().body, "ab");
}

TEST(HttpStream, AClientThatLeavesIsNoticed) {
  Stream stream;
  for (const std::string how : {"leaves", "resets", "half", "pipelined"}) {
    for (const bool streaming : {false, true}) {
      HttpClient client(stream.server.port());
      const auto exchange = ask(stream, client);
      Signal gone;
      exchange->on_gone([&] { gone.set(); });
      EXPECT_FALSE(exchange->gone());
      if (streaming) {
        exchange->begin(event_stream());
        exchange->write("data: 1\n\n");
        client.read_head();
        EXPECT_EQ(client.next_event(), "data: 1");
      }
      if (how == "leaves") client.leave();
      if (how == "resets") client.reset();
      if (how == "pipelined") client.request("GET", "/next");
      if (how == "half" || how == "pipelined") client.finish_sending();
      EXPECT_TRUE(gone.wait()) << how;
      EXPECT_TRUE(exchange->gone());
      exchange->write("data: 2\n\n");  // dropped, as is what follows
      exchange->end();
      exchange->respond({});
      bool at_once = false;
      exchange->on_gone([&] { at_once = true; });
      EXPECT_TRUE(at_once);
    }
  }
  for (const std::string& line : stream.server.log_lines(8)) EXPECT_EQ(line, "GET /stream 499");
}

TEST(HttpStream, WhoClosesOneHalfGetsWhatIsReady) {
  TestServer server(echo);
  HttpClient client(server.port());
  client.request("PUT", "/x", "body");
  client.finish_sending();
  EXPECT_EQ(client.read_reply().body, "PUT /x body");
  EXPECT_TRUE(client.closed());
}

TEST(HttpStream, WhoAnsweredIsNotToldThatTheClientLeft) {
  Stream stream;
  std::atomic<int> calls = 0;
  {
    HttpClient client(stream.server.port());
    const auto exchange = ask(stream, client);
    exchange->on_gone([&] { ++calls; });
    exchange->respond(text_response("all"));
    EXPECT_EQ(client.read_reply().body, "all");
    stream.server.log_lines(1);
    exchange->on_gone([&] { ++calls; });
  }
  stream.server.stop();
  EXPECT_EQ(calls, 0);
}

TEST(HttpStream, OnGoneMayThrow) {
  Stream stream;
  HttpClient client(stream.server.port());
  const auto exchange = ask(stream, client);
  Signal gone;
  exchange->on_gone([] { throw std::runtime_error("a defect"); });
  exchange->on_gone([&] { gone.set(); });
  client.leave();
  EXPECT_TRUE(gone.wait());
}

TEST(HttpStream, AFailedStreamBreaksOff) {
  Stream stream;
  for (const std::string how : {"fails", "dropped", "responds"}) {
    HttpClient client(stream.server.port());
    auto exchange = ask(stream, client);
    exchange->begin(event_stream());
    exchange->write("data: 1\n\n");
    if (how == "fails") exchange->fail();
    if (how == "dropped") exchange.reset();
    if (how == "responds") exchange->respond(error_response(500, "too late"));
    client.read_head();
    EXPECT_EQ(client.next_event(), "data: 1");
    EXPECT_THROW(client.next_event(), std::runtime_error) << how;
  }
}

TEST(HttpStream, WhatIsSaidOutOfOrderIsDropped) {
  Stream stream;
  HttpClient client(stream.server.port());
  const auto exchange = ask(stream, client);
  exchange->write("too early");
  exchange->end();
  exchange->respond(text_response("first"));
  exchange->respond(text_response("second"));
  exchange->begin(event_stream());
  exchange->fail();
  EXPECT_EQ(client.read_reply().body, "first");
  const auto next = ask(stream, client);
  next->fail();
  EXPECT_EQ(client.read_reply().status, 500);
}

TEST(HttpStream, ASlowReaderHoldsNobodyUpAndGetsAll) {
  const std::string large(size_t{24} << 20, 'x');
  TestServer server([&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->request().path == "/large") return exchange->respond(text_response(large));
    if (exchange->request().path != "/stream") return echo(exchange);
    exchange->begin(text_response(""));
    for (int i = 0; i < 24; ++i) exchange->write(std::string(size_t{1} << 20, 'x'));
    exchange->end();
  });
  HttpClient slow(server.port(), "127.0.0.1", 4096);
  slow.request("GET", "/large");
  EXPECT_EQ(slow.read_head().header("content-length"), std::to_string(large.size()));
  HttpClient streaming(server.port(), "127.0.0.1", 4096);
  streaming.request("GET", "/stream");
  HttpClient quick(server.port());
  for (int i = 0; i < 50; ++i) {
    quick.request("GET", "/quick");
    EXPECT_EQ(quick.read_reply().body, "GET /quick ");
  }
  HttpClient whole(server.port());
  whole.request("GET", "/large");
  EXPECT_EQ(whole.read_reply().body, large);
  EXPECT_EQ(streaming.read_reply().body, large);
}

TEST(HttpStream, AClientThatTakesNothingIsGivenUp) {
  Stream stream({.write_seconds = 0.2});
  HttpClient client(stream.server.port(), "127.0.0.1", 4096);
  const auto exchange = ask(stream, client);
  Signal gone;
  exchange->on_gone([&] { gone.set(); });
  exchange->begin(event_stream());
  exchange->write(std::string(size_t{24} << 20, 'x'));
  EXPECT_TRUE(gone.wait());
}

TEST(HttpStream, AClientThatFallsFarBehindIsGivenUp) {
  Stream stream({.max_pending = 1000});
  HttpClient client(stream.server.port(), "127.0.0.1", 4096);
  const auto exchange = ask(stream, client);
  Signal gone;
  exchange->on_gone([&] { gone.set(); });
  exchange->begin(event_stream());
  const std::string piece(900, 'x');
  const auto start = std::chrono::steady_clock::now();
  while (!exchange->gone() && std::chrono::steady_clock::now() - start < kLongest)
    exchange->write(piece);
  EXPECT_TRUE(gone.wait());
  HttpClient next(stream.server.port());
  const auto other = ask(stream, next);
  other->begin(event_stream());
  other->write(std::string(100000, 'y') + "\n\n");  // one piece may be larger
  other->end();
  next.read_head();
  EXPECT_EQ(next.next_event()->size(), 100000);
}

TEST(HttpStream, NothingIsLostBetweenThreads) {
  std::mutex mutex;
  std::vector<std::thread> threads;
  TestServer server([&](std::shared_ptr<Exchange> exchange) {
    const std::scoped_lock lock(mutex);
    threads.emplace_back([exchange = std::move(exchange)] {
      exchange->begin(event_stream());
      for (int i = 0; i < 200; ++i) exchange->write("data: " + std::to_string(i) + "\n\n");
      exchange->end();
    });
  });
  std::vector<std::thread> clients;
  std::atomic<int> good = 0;
  clients.reserve(6);
  for (int c = 0; c < 6; ++c) {
    clients.emplace_back([&] {
      HttpClient client(server.port());
      for (int round = 0; round < 5; ++round) {
        client.request("GET", "/stream");
        client.read_head();
        for (int i = 0; i < 200; ++i)
          good += client.next_event() == "data: " + std::to_string(i) ? 1 : 0;
        good += client.next_event() == std::nullopt ? 1 : 0;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, 6 * 5 * 201);
  server.stop();
  for (std::thread& thread : threads) thread.join();
}

TEST(HttpStream, ClientsThatComeAndGoDoNoHarm) {
  std::mutex mutex;
  std::vector<std::thread> threads;
  std::atomic<int> told = 0;
  TestServer server([&](std::shared_ptr<Exchange> exchange) {
    const std::scoped_lock lock(mutex);
    threads.emplace_back([exchange = std::move(exchange), &told] {
      exchange->on_gone([&told] { ++told; });
      exchange->begin(event_stream());
      while (!exchange->gone()) {
        exchange->write("data: 1\n\n");
        std::this_thread::yield();
      }
    });
  });
  for (int i = 0; i < 20; ++i) {
    HttpClient client(server.port());
    client.request("GET", "/stream");
    client.read_head();
    EXPECT_EQ(client.next_event(), "data: 1");
    if (i % 2 == 0) client.reset();
  }
  for (const std::string& line : server.log_lines(20)) EXPECT_EQ(line, "GET /stream 499");
  server.stop();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(told, 20);
}

TEST(HttpStream, AnExchangeMayOutliveTheServer) {
  std::shared_ptr<Exchange> exchange;
  Signal gone;
  std::unique_ptr<HttpClient> client;
  {
    Stream stream({.drain_seconds = 0.1});
    client = std::make_unique<HttpClient>(stream.server.port());
    exchange = ask(stream, *client);
    exchange->on_gone([&] { gone.set(); });
    exchange->begin(event_stream());
  }
  EXPECT_TRUE(gone.wait());
  EXPECT_TRUE(exchange->gone());
  exchange->write("data: 1\n\n");
  exchange->end();
  EXPECT_EQ(exchange->request().path, "/stream");
  client->read_head();
  EXPECT_TRUE(client->closed());
}

}  // namespace
}  // namespace memlong::http
