// memlong-serve: a model that remembers, over HTTP.
#include <atomic>
#include <exception>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "common/log.h"
#include "http/guard.h"
#include "http/server.h"
#include "server/front.h"
#include "tools/common/output.h"
#include "tools/common/run.h"
#include "tools/common/signals.h"
#include "tools/common/text.h"
#include "tools/memlong-serve/arguments.h"
#include "tools/memlong-serve/load.h"

namespace memlong::serve_tool {
namespace {

void log_request(const http::Request& request, int status, double seconds) {
  constexpr size_t kLongestPath = 200;
  const std::string what = request.method.empty() ? "(no request)" : request.method;
  log::info(request.peer + " " + tools::cut(what + " " + request.path, kLongestPath) + " " +
            std::to_string(status) + " " + tools::human_duration(seconds));
}

/// To standard output, for who waits for it. What cannot be written is returned.
std::exception_ptr announce(const std::string& url, bool json) {
  try {
    if (json) {
      tools::print_json({{"url", url}}, -1);
    } else {
      tools::print_out(url + "\n");
    }
    tools::flush_out();
  } catch (...) {
    return std::current_exception();
  }
  log::info("ready");
  return nullptr;
}

void warn_if_open(const ServeArguments& arguments) {
  if (arguments.guard.loopback || !arguments.guard.keys.empty()) return;
  log::warn("every machine that reaches " + arguments.http.host +
            " may read and change what is remembered: --api-key asks for a key");
}

int serve(int argc, char** argv) {
  ServeArguments arguments;
  if (!parse_arguments(argc, argv, arguments)) return tools::kExitOk;
  const http::Guard guard(arguments.guard);
  std::unique_ptr<server::Front> front;
  http::Server http(
      arguments.http,
      [&](const std::shared_ptr<http::Exchange>& exchange) { front->handle(exchange); },
      [&](const http::Request& request) { return guard.refuse(request); },
      [&](const http::Request& request, int status, double seconds) {
        front->count(request, status, seconds);
        log_request(request, status, seconds);
      },
      [&](const http::Request& request, http::Response& response) {
        guard.add_headers(request, response);
      });
  warn_if_open(arguments);
  std::atomic<bool> loaded = false;
  front =
      std::make_unique<server::Front>([&] { return load_parts(arguments); },
                                      static_cast<size_t>(arguments.queue), [&] { loaded = true; });
  bool announced = false;
  std::exception_ptr trouble;
  http.run([&] {
    if (loaded && !announced) {
      announced = true;
      trouble = front->failure();
      if (trouble == nullptr) trouble = announce("http://" + http.address(), arguments.common.json);
    }
    if (trouble == nullptr && !tools::stop_requested()) return false;
    front->begin_close();
    return true;
  });
  front->close();
  if (trouble != nullptr) std::rethrow_exception(trouble);
  return tools::kExitOk;
}

}  // namespace
}  // namespace memlong::serve_tool

int main(int argc, char** argv) {
  return memlong::tools::run_tool(argc, argv, memlong::serve_tool::serve);
}
