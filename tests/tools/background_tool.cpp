#include "tools/background_tool.h"

#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "support/paths.h"

namespace memlong::tools_test {
namespace {

using Clock = std::chrono::steady_clock;

int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

/// In the child: exec fails where a stream cannot be opened.
void redirect(int stream, const std::string& file, int flags) {
  const int fd = open(file.empty() ? "/dev/null" : file.c_str(), flags, 0644);
  if (fd < 0 || dup2(fd, stream) < 0) _exit(127);
  close(fd);
}

}  // namespace

BackgroundTool::BackgroundTool(const std::string& name, std::vector<std::string> args,
                               const ToolStreams& streams) {
  args.insert(args.begin(), test::bin_dir() + "/" + name);
  std::vector<char*> argv;
  for (std::string& word : args) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    redirect(STDIN_FILENO, streams.in, O_RDONLY);
    redirect(STDOUT_FILENO, streams.out, O_WRONLY | O_CREAT | O_TRUNC);
    redirect(STDERR_FILENO, streams.err, O_WRONLY | O_CREAT | O_TRUNC);
    execv(argv[0], argv.data());
    _exit(127);
  }
  ended_ = pid_ < 0;
}

BackgroundTool::~BackgroundTool() {
  if (runs()) end(SIGKILL);
}

bool BackgroundTool::runs() {
  if (ended_) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return true;
  ended_ = true;
  code_ = code_of(status);
  return false;
}

bool BackgroundTool::ended_within(double seconds) {
  const auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
  while (runs()) {
    const auto left = deadline - Clock::now();
    if (left <= Clock::duration::zero()) return false;
    std::this_thread::sleep_for(
        std::min<std::chrono::duration<double>>(left, std::chrono::microseconds(200)));
  }
  return true;
}

int BackgroundTool::end(int signal_number) {
  if (runs()) kill(pid_, signal_number);
  return wait();
}

int BackgroundTool::wait() {
  if (ended_) return code_;
  int status = 0;
  waitpid(pid_, &status, 0);
  ended_ = true;
  code_ = code_of(status);
  return code_;
}

}  // namespace memlong::tools_test
