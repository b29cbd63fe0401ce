#include "http/connection.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <ctime>
#include <exception>
#include <limits>
#include <poll.h>
#include <string_view>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

#include "common/clock.h"
#include "common/log.h"
#include "http/reply_channel.h"
#include "http/request_head.h"
#include "http/wire.h"

namespace memlong::http {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace beast_http = boost::beast::http;
using boost::system::error_code;
using Parser = beast_http::request_parser<beast_http::string_body>;

constexpr double kPollSeconds = 0.25;  // how often a client is asked whether it is still there
constexpr double kLingerSeconds = 2;   // for a client to read why it was refused
constexpr double kPatience = 1;  // seconds that a full server gives a client who has never asked
constexpr double kHeardPatience = 10;         // and one who may ask again
constexpr size_t kSlice = size_t{256} << 10;  // of what is sent at once

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

/// What is known of a request while it is answered.
struct Current {
  std::shared_ptr<Request> request = std::make_shared<Request>();
  Stopwatch watch;
  bool http_1_0 = false;
  bool head_only = false;  // HEAD
  bool keep = false;       // the client wants to go on
  bool chunked = false;    // the stream is sent in chunks
  bool events = false;     // it is an event stream
  int status = 0;          // of the head that was sent
};

bool is_http_error(const error_code& error) {
  return error.category() == beast_http::make_error_code(beast_http::error::bad_version).category();
}

RequestHead head_of(const Parser::value_type& message) {
  RequestHead head;
  head.method = std::string(message.method_string());
  head.target = std::string(message.target());
  head.version = static_cast<int>(message.version());
  for (const auto& field : message)
    head.fields.emplace_back(std::string(field.name_string()), std::string(field.value()));
  return head;
}

class TcpConnection final : public Connection, public std::enable_shared_from_this<TcpConnection> {
 public:
  TcpConnection(net::io_context& io, Callbacks& service, const Listener::Accepted& accepted);
  ~TcpConnection() override { leave_channel(false); }
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;
  void start(bool busy, std::function<void()> ended) override;
  void close_if_idle() override {
    if (idle_) cut();
  }
  void cut() override;
  [[nodiscard]] double overdue() const override {
    return waits_ && !cut_ ? silence_.seconds() - (heard_ ? kHeardPatience : kPatience) : 0.0;
  }

 private:
  net::awaitable<void> serve(bool busy);
  net::awaitable<bool> serve_one();
  net::awaitable<bool> read_body(Parser& parser, Current& current);
  net::awaitable<bool> refuse(Current& current, Response response);
  net::awaitable<bool> answer(Current& current);
  net::awaitable<bool> pass_on(Current& current, ReplyChannel& channel);
  net::awaitable<bool> send(std::string_view bytes);
  net::awaitable<void> wait(double seconds);
  net::awaitable<void> linger();

  [[nodiscard]] std::optional<Response> screen(const Parser& parser, Current& current) const;
  [[nodiscard]] std::string head(Current& current, Response& response, bool whole);
  [[nodiscard]] std::string wire_text(Current& current, ReplyPart& part);
  [[nodiscard]] std::function<void()> waker();
  [[nodiscard]] bool peer_left();
  void leave_channel(bool delivered);
  void log_answer(const Current& current, int status) const;

  net::io_context& io_;
  Callbacks& service_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  net::steady_timer event_;  // waiting for the answer's owner; cancelled: there is something new
  std::string peer_;
  std::shared_ptr<ReplyChannel> channel_;
  bool idle_ = false;    // no request has been read
  bool unread_ = false;  // the client may still be sending what nobody will read
  bool cut_ = false;
  bool waits_ = false;  // for a request
  bool heard_ = false;  // one has come
  Stopwatch silence_;   // while it waits
};

TcpConnection::TcpConnection(net::io_context& io, Callbacks& service,
                             const Listener::Accepted& accepted)
    : io_(io),
      service_(service),
      stream_(io),
      buffer_(service.options.max_head + (size_t{64} << 10)),
      event_(io),
      peer_(accepted.peer) {
  const auto protocol = accepted.ipv6 ? net::ip::tcp::v6() : net::ip::tcp::v4();
  stream_.socket().assign(protocol, accepted.fd);
  error_code ignored;
  stream_.socket().set_option(net::ip::tcp::no_delay(true), ignored);
}

void TcpConnection::start(bool busy, std::function<void()> ended) {
  net::co_spawn(
      io_, [self = shared_from_this(), busy] { return self->serve(busy); },
      [self = shared_from_this(), ended = std::move(ended)](const std::exception_ptr& problem) {
        log_problem("the connection of " + self->peer_ + " failed", problem);
        self->leave_channel(false);
        self->stream_.close();
        ended();
      });
}

void TcpConnection::cut() {
  cut_ = true;
  stream_.close();
  event_.cancel();
}

net::awaitable<void> TcpConnection::serve(bool busy) {
  if (busy) {
    Current current;
    current.request->peer = peer_;
    unread_ = true;
    Response response = error_response(503, "the server has too many connections; try again");
    response.headers.emplace_back("Retry-After", "1");
    co_await refuse(current, std::move(response));
  } else {
    bool again = true;
    while (again && !service_.stopping) again = co_await serve_one();
  }
  if (unread_ && !cut_) co_await linger();
}

/// False: the connection ends.
net::awaitable<bool> TcpConnection::serve_one() {
  Parser parser;
  parser.header_limit(static_cast<uint32_t>(service_.options.max_head));
  parser.body_limit(std::numeric_limits<uint64_t>::max());  // read_body() has an own one
  error_code error;
  idle_ = waits_ = true;
  silence_.restart();
  stream_.expires_after(milliseconds(service_.options.idle_seconds));
  co_await beast_http::async_read_header(stream_, buffer_, parser,
                                         net::redirect_error(net::use_awaitable, error));
  idle_ = waits_ = false;
  heard_ = true;
  if (cut_) co_return false;

  Current current;
  current.request->peer = peer_;
  const bool too_large =
      error == beast_http::error::header_limit || error == beast_http::error::buffer_overflow;
  if (error == beast_http::error::end_of_stream || error == beast_http::error::partial_message)
    co_return false;
  if (too_large || is_http_error(error)) {
    unread_ = true;
    Response response =
        too_large
            ? error_response(431, "the request's head is too large")
            : error_response(400, "this is no HTTP request that can be read: " + error.message());
    co_return co_await refuse(current, std::move(response));
  }
  if (error) co_return false;

  unread_ = !parser.is_done();
  std::optional<Response> refusal = screen(parser, current);
  if (refusal) co_return co_await refuse(current, std::move(*refusal));
  if (unread_) {
    const bool complete = co_await read_body(parser, current);
    if (!complete) co_return false;
  }
  co_return co_await answer(current);
}

std::optional<Response> TcpConnection::screen(const Parser& parser, Current& current) const {
  const Parser::value_type& message = parser.get();
  current.http_1_0 = message.version() < 11;
  current.head_only = message.method() == beast_http::verb::head;
  current.keep = parser.keep_alive();
  std::optional<Response> refusal = make_request(head_of(message), *current.request);
  if (!refusal && service_.screen) {
    try {
      refusal = service_.screen(*current.request);
    } catch (const std::exception& error) {
      log::error("the screen of " + printable(current.request->path) + " failed: " + error.what());
      refusal = error_response(500, "the server failed on this request; its log says more");
    }
  }
  const auto length = parser.content_length();
  if (!refusal && length && *length > service_.options.max_body) {
    refusal = error_response(413, "the body has more than the " +
                                      std::to_string(service_.options.max_body) +
                                      " bytes that are taken");
  }
  return refusal;
}

/// False: it was not read, and there is nothing more to say.
net::awaitable<bool> TcpConnection::read_body(Parser& parser, Current& current) {
  if (!current.http_1_0 && lower_case(current.request->header("expect")) == "100-continue") {
    const bool sent = co_await send("HTTP/1.1 100 Continue\r\n\r\n");
    if (!sent) co_return false;
  }
  parser.body_limit(service_.options.max_body);
  error_code error;
  stream_.expires_after(milliseconds(service_.options.body_seconds));
  co_await beast_http::async_read(stream_, buffer_, parser,
                                  net::redirect_error(net::use_awaitable, error));
  if (!error) {
    unread_ = false;
    current.request->body = std::move(parser.get().body());
    co_return true;
  }
  Response response;
  if (error == beast_http::error::partial_message || !is_http_error(error)) {
    unread_ = false;  // nobody is there any more
    log_answer(current, error == beast::error::timeout ? 408 : 499);
    co_return false;
  }
  if (error == beast_http::error::body_limit) {
    response = error_response(413, "the body has more than the " +
                                       std::to_string(service_.options.max_body) +
                                       " bytes that are taken");
  } else {
    response = error_response(400, "the body cannot be read: " + error.message());
  }
  co_await refuse(current, std::move(response));
  co_return false;
}

net::awaitable<bool> TcpConnection::refuse(Current& current, Response response) {
  std::string text = head(current, response, true);
  if (!current.head_only) text += response.body;
  const bool sent = co_await send(text);
  log_answer(current, sent ? current.status : 499);
  co_return sent&& current.keep;
}

net::awaitable<bool> TcpConnection::answer(Current& current) {
  auto channel =
      std::make_shared<ReplyChannel>(current.request, service_.options.max_pending, waker());
  channel_ = channel;
  try {
    service_.handler(make_exchange(channel));
  } catch (const std::exception& error) {
    log::error("the answer to " + printable(channel->request().path) + " failed: " + error.what());
    channel->abandon();
  }
  const bool delivered = co_await pass_on(current, *channel);
  leave_channel(delivered);
  log_answer(current, delivered ? current.status : 499);
  co_return delivered&& current.keep;
}

/// False: the client has left before all was sent.
net::awaitable<bool> TcpConnection::pass_on(Current& current, ReplyChannel& channel) {
  Stopwatch silence;
  for (;;) {
    ReplyPart part = channel.take();
    if (part.overflown) co_return false;
    const std::string text = wire_text(current, part);
    if (!text.empty()) {
      const bool sent = co_await send(text);
      if (!sent) co_return false;
      silence.restart();
    }
    if (part.ended) co_return true;
    if (!text.empty()) continue;
    if (cut_ || peer_left()) co_return false;
    double seconds = kPollSeconds;
    if (current.events) {
      const double left = service_.options.keep_alive_seconds - silence.seconds();
      if (left <= 0) {
        const std::string comment = current.chunked ? chunk(": \n\n") : ": \n\n";
        const bool sent = co_await send(comment);
        if (!sent) co_return false;
        silence.restart();
        continue;
      }
      seconds = std::min(seconds, left + 0.001);
    }
    co_await wait(seconds);
  }
}

std::string TcpConnection::wire_text(Current& current, ReplyPart& part) {
  std::string text;
  if (part.head) {
    text = head(current, *part.head, part.whole);
    if (part.whole && !current.head_only && !without_body(part.head->status))
      text += part.head->body;
  }
  if (part.failed) current.keep = false;
  if (part.whole || current.head_only) return text;
  if (!part.bytes.empty()) text += current.chunked ? chunk(part.bytes) : part.bytes;
  if (part.ended && !part.failed && current.chunked) text += kLastChunk;
  return text;
}

/// The head's text; from here on it is settled how the body is sent and whether the client may go
/// on after it.
std::string TcpConnection::head(Current& current, Response& response, bool whole) {
  if (service_.decorate) {
    try {
      service_.decorate(*current.request, response);
    } catch (const std::exception& error) {
      log::error(std::string("headers of an answer failed: ") + error.what());
    }
  }
  Framing framing = whole ? Framing::length : Framing::chunked;
  if (without_body(response.status)) framing = Framing::none;
  if (!whole && current.http_1_0) framing = Framing::until_close;
  if (unread_ || service_.stopping || framing == Framing::until_close) current.keep = false;
  current.status = response.status;
  current.chunked = framing == Framing::chunked && !current.head_only;
  current.events = !whole && !current.head_only && response.type.starts_with("text/event-stream");
  const std::string_view kept = current.http_1_0 ? "keep-alive" : "";
  return head_text(response, framing, current.keep ? kept : "close", std::time(nullptr));
}

/// False: the client takes nothing any more.
net::awaitable<bool> TcpConnection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    if (cut_) co_return false;
    error_code error;
    stream_.expires_after(milliseconds(service_.options.write_seconds));
    const auto slice = net::buffer(bytes.data(), std::min(bytes.size(), kSlice));
    const size_t sent =
        co_await stream_.async_write_some(slice, net::redirect_error(net::use_awaitable, error));
    if (error) co_return false;
    bytes.remove_prefix(sent);
  }
  co_return !cut_;
}

net::awaitable<void> TcpConnection::wait(double seconds) {
  error_code ignored;
  event_.expires_after(std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6)));
  co_await event_.async_wait(net::redirect_error(net::use_awaitable, ignored));
}

/// Reads what the client still sends before the connection is closed: closing at once would take
/// the answer from it that says why.
net::awaitable<void> TcpConnection::linger() {
  error_code error;
  stream_.socket().shutdown(net::ip::tcp::socket::shutdown_send, error);
  idle_ = true;
  stream_.expires_after(milliseconds(kLingerSeconds));
  std::array<char, 4096> scratch{};
  while (!error && !cut_) {
    co_await stream_.async_read_some(net::buffer(scratch),
                                     net::redirect_error(net::use_awaitable, error));
  }
}

std::function<void()> TcpConnection::waker() {
  return [&io = io_, weak = weak_from_this()] {
    net::post(io, [weak] {
      if (const auto self = weak.lock()) self->event_.cancel();
    });
  };
}

bool TcpConnection::peer_left() {
  pollfd socket{stream_.socket().native_handle(), POLLRDHUP, 0};
  return ::poll(&socket, 1, 0) > 0 && (socket.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void TcpConnection::leave_channel(bool delivered) {
  if (channel_) channel_->close(delivered);
  channel_.reset();
}

void TcpConnection::log_answer(const Current& current, int status) const {
  if (!service_.log) return;
  try {
    service_.log(*current.request, status, current.watch.seconds());
  } catch (const std::exception& error) {
    log::error(std::string("the log of requests failed: ") + error.what());
  }
}

}  // namespace

void log_problem(const std::string& what, const std::exception_ptr& problem) {
  try {
    if (problem) std::rethrow_exception(problem);
  } catch (const std::exception& error) {
    log::error(what + ": " + error.what());
  }
}

std::shared_ptr<Connection> make_connection(net::io_context& io, Callbacks& service,
                                            const Listener::Accepted& accepted) {
  return std::make_shared<TcpConnection>(io, service, accepted);
}

}  // namespace memlong::http
