#include "tools/background_tool.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace memlong::tools_test {
namespace {

int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

}  // namespace

BackgroundTool::BackgroundTool(const std::string& name, std::vector<std::string> args) {
  args.insert(args.begin(), std::string(MEMLONG_BIN_DIR) + "/" + name);
  std::vector<char*> argv;
  for (std::string& word : args) argv.push_back(word.data());
  argv.push_back(nullptr);
  child_ = fork();
  if (child_ == 0) {
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
}

BackgroundTool::~BackgroundTool() {
  if (runs()) end(SIGKILL);
}

bool BackgroundTool::runs() {
  if (child_ < 0) return false;
  int status = 0;
  if (waitpid(child_, &status, WNOHANG) != child_) return true;
  child_ = -1;
  code_ = code_of(status);
  return false;
}

int BackgroundTool::end(int signal_number) {
  if (runs()) kill(child_, signal_number);
  return wait();
}

int BackgroundTool::wait() {
  if (child_ < 0) return code_;
  int status = 0;
  waitpid(child_, &status, 0);
  child_ = -1;
  code_ = code_of(status);
  return code_;
}

}  // namespace memlong::tools_test
