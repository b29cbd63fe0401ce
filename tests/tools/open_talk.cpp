#include "tools/open_talk.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>

#include "support/paths.h"

namespace memlong::tools_test {
namespace {

std::string shell_word(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace

OpenTalk::OpenTalk(const TempFolder& folder, const std::vector<std::string>& words)
    : out_(folder.write("talk.out", "")), err_(folder.write("talk.err", "")) {
  std::string line = "OMP_WAIT_POLICY=active GOMP_SPINCOUNT=1000 exec " +
                     shell_word(test::bin_dir() + "/memlong-chat") + " --history ''";
  for (const std::string& word : words) line += " " + shell_word(word);
  line += " > " + shell_word(out_) + " 2> " + shell_word(err_);
  input_ = ::popen(line.c_str(), "w");
  if (input_ == nullptr) throw std::runtime_error("popen failed");
}

OpenTalk::~OpenTalk() {
  if (input_ != nullptr) ::pclose(input_);
}

void OpenTalk::say(const std::string& line) {
  std::fputs((line + "\n").c_str(), input_);
  std::fflush(input_);
}

std::string OpenTalk::hear(const std::string& wanted) {
  for (int i = 0; i < 12000; ++i) {
    const std::string all = slurp(out_);
    const std::string fresh = all.substr(std::min(heard_, all.size()));
    if (fresh.find(wanted) != std::string::npos) {
      heard_ = all.size();
      return fresh;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  throw std::runtime_error("the chat never said \"" + wanted + "\"; it said: " + slurp(out_) +
                           slurp(err_));
}

ToolResult OpenTalk::end() {
  const int status = ::pclose(input_);
  input_ = nullptr;
  const std::string all = slurp(out_);
  return {.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          .out = all.substr(std::min(heard_, all.size())),
          .err = slurp(err_)};
}

}  // namespace memlong::tools_test
