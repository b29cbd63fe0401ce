#include "tools/run_tool.h"

#include <array>
#include <chrono>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <signal.h>
#include <sstream>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

#include "support/paths.h"

extern char** environ;

namespace memlong::tools_test {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<std::string> child_environment(const ToolCall& call) {
  std::vector<std::string> variables;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string variable = *each;
    if (!variable.starts_with("MEMLONG_")) variables.push_back(variable);
  }
  for (const auto& [name, value] : call.environment) variables.push_back(name + "=" + value);
  variables.emplace_back("MEMLONG_DEVICE=cpu");  // the same answers and words, GPU or not
  return variables;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

struct Pipe {
  std::array<int, 2> ends{-1, -1};
  Pipe() {
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
  }
  void close_end(size_t i) {
    if (ends[i] >= 0) close(ends[i]);
    ends[i] = -1;
  }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
};

/// Feeds and drains the pipes until the tool closed its ends. False when time ran out.
bool exchange(Pipe& in, Pipe& out, Pipe& err, const std::string& input, Clock::time_point deadline,
              ToolResult& result) {
  size_t sent = 0;
  if (input.empty()) in.close_end(1);
  while (out.ends[0] >= 0 || err.ends[0] >= 0) {
    if (Clock::now() > deadline) return false;
    std::array<pollfd, 3> polls = {pollfd{out.ends[0], POLLIN, 0}, pollfd{err.ends[0], POLLIN, 0},
                                   pollfd{in.ends[1], POLLOUT, 0}};
    poll(polls.data(), polls.size(), 100);
    for (size_t i = 0; i < 2; ++i) {
      if (polls[i].revents == 0) continue;
      std::array<char, 65536> buffer;
      const ssize_t got = read(polls[i].fd, buffer.data(), buffer.size());
      if (got > 0) {
        (i == 0 ? result.out : result.err).append(buffer.data(), static_cast<size_t>(got));
      } else {
        (i == 0 ? out : err).close_end(0);
      }
    }
    if (polls[2].revents != 0) {
      const ssize_t put = write(in.ends[1], input.data() + sent, input.size() - sent);
      if (put > 0) sent += static_cast<size_t>(put);
      if (put <= 0 || sent == input.size()) in.close_end(1);
    }
  }
  return true;
}

}  // namespace

bool tool_exists(const std::string& name) {
  return access((test::bin_dir() + "/" + name).c_str(), X_OK) == 0;
}

ToolResult run_tool(const std::string& name, const std::vector<std::string>& args,
                    const ToolCall& call) {
  if (!tool_exists(name)) throw std::runtime_error("there is no " + name + " to run");
  std::vector<std::string> words = {test::bin_dir() + "/" + name};
  words.insert(words.end(), args.begin(), args.end());
  std::vector<std::string> variables = child_environment(call);
  const std::vector<char*> argv = pointers(words);
  const std::vector<char*> envp = pointers(variables);
  signal(SIGPIPE, SIG_IGN);
  Pipe in;
  Pipe out;
  Pipe err;
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) {
    signal(SIGPIPE, SIG_DFL);
    dup2(in.ends[0], STDIN_FILENO);
    dup2(out.ends[1], STDOUT_FILENO);
    dup2(err.ends[1], STDERR_FILENO);
    execve(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  in.close_end(0);
  out.close_end(1);
  err.close_end(1);
  ToolResult result;
  const auto deadline = Clock::now() + std::chrono::seconds(call.timeout_seconds);
  if (!exchange(in, out, err, call.input, deadline, result)) {
    kill(child, SIGKILL);
    result.err += "\n[killed: it ran longer than " + std::to_string(call.timeout_seconds) + " s]";
  }
  int status = 0;
  waitpid(child, &status, 0);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

std::string slurp(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream content;
  content << stream.rdbuf();
  return content.str();
}

std::string reference_model() { return test::source_dir() + "/models/reference"; }

}  // namespace memlong::tools_test
