// A memlong-serve that runs while the test asks it.
#pragma once

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/http_client.h"
#include "tools/background_tool.h"
#include "tools/run_tool.h"

namespace memlong::tools_test {

class RunningServer {
 public:
  /// Starts memlong-serve with these words (and the reference model, where they name none), on a
  /// free port, and waits until it is ready. Its output goes to files in `folder`.
  RunningServer(const TempFolder& folder, std::vector<std::string> words)
      : out_((folder.path() / "serve.out").string()), err_((folder.path() / "serve.err").string()) {
    for (const std::string& path : {out_, err_}) std::filesystem::remove(path);
    const std::vector<std::string> own = {"--port", "0", "--greedy", "--threads", "1"};
    if (std::ranges::find(words, "--model") == words.end()) {
      words.insert(words.begin(), {"--model", reference_model()});
    }
    words.insert(words.begin(), own.begin(), own.end());
    tool_ = std::make_unique<BackgroundTool>("memlong-serve", words,
                                             ToolStreams{.in = "", .out = out_, .err = err_});
    constexpr int kMostWaits = 12'000;
    for (int i = 0; i < kMostWaits && port_ == 0; ++i) {
      const std::string url = slurp(out_);
      if (url.ends_with("\n")) {
        port_ = static_cast<uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
      } else if (!tool_->runs()) {
        throw std::runtime_error("memlong-serve has ended: " + err());
      } else {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
    }
    if (port_ == 0) throw std::runtime_error("memlong-serve is not ready: " + err());
  }

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] std::string err() const { return slurp(err_); }

  test::HttpReply get(const std::string& target) const { return test::call(port_, "GET", target); }
  test::HttpReply post(const std::string& target, const nlohmann::json& body) const {
    return test::call(port_, "POST", target, body.dump());
  }
  /// The JSON of an answer that must be 200.
  nlohmann::json chat(const nlohmann::json& body) const {
    const test::HttpReply reply = post("/v1/chat/completions", body);
    if (reply.status != 200) throw std::runtime_error("chat: " + reply.body);
    return nlohmann::json::parse(reply.body);
  }

  /// Sends the signal and waits; exit code, or 128 + signal.
  int end(int signal_number) { return tool_->end(signal_number); }

 private:
  std::string out_;
  std::string err_;
  std::unique_ptr<BackgroundTool> tool_;
  uint16_t port_ = 0;
};

/// Tests of memlong-serve, each with a bank of its own.
class ServerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!tool_exists("memlong-serve")) GTEST_SKIP() << "memlong-serve is not built";
  }
  /// A server with that bank.
  RunningServer serve(std::vector<std::string> words = {}) {
    words.insert(words.end(), {"--bank", bank_});
    return {folder_, words};
  }

  TempFolder folder_;
  std::string bank_ = (folder_.path() / "bank").string();
};

/// What the model said.
inline std::string said(const nlohmann::json& answer) {
  return answer.at("choices").at(0).at("message").at("content").get<std::string>();
}

inline nlohmann::json message(const std::string& role, const std::string& content) {
  return {{"role", role}, {"content", content}};
}

}  // namespace memlong::tools_test
