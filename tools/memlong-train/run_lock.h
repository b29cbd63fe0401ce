// One process trains in a folder.
#pragma once

#include <filesystem>

namespace memlong::train_tool {

/// The folder of a run, held for as long as this lives by flock(2) on `run.lock`, which names the
/// process. Another that comes meanwhile would mix its log and checkpoints with this one's. The
/// file stays behind; without a process it locks nothing.
class RunLock {
 public:
  /// Makes the folder when it is not there. Errors: busy (naming the process that holds it), io.
  explicit RunLock(const std::filesystem::path& out);
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;
  ~RunLock();

 private:
  int fd_ = -1;
};

}  // namespace memlong::train_tool
