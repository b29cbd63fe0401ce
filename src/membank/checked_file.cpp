#include "membank/checked_file.h"

#include <ctime>
#include <map>
#include <mutex>
#include <sys/stat.h>
#include <utility>

namespace memlong::membank {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr int64_t kYoung = kNanosPerSecond;  // longer than any file system's clock stands still

int64_t nanoseconds(const timespec& time) { return time.tv_sec * kNanosPerSecond + time.tv_nsec; }

struct SoundFiles {
  std::mutex mutex;
  std::map<std::pair<uint64_t, uint64_t>, FileState> states;  // by device and inode
};
SoundFiles& sound_files() {
  static SoundFiles files;
  return files;
}

}  // namespace

FileState file_state(int fd, uint64_t transaction) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return {};
  return {.device = info.st_dev,
          .inode = info.st_ino,
          .size = info.st_size,
          .changed = nanoseconds(info.st_ctim),
          .transaction = transaction};
}

bool known_sound(const FileState& state) {
  const std::scoped_lock lock(sound_files().mutex);
  const auto found = sound_files().states.find({state.device, state.inode});
  return state.inode != 0 && found != sound_files().states.end() && found->second == state;
}

void remember_sound(const FileState& state) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  if (state.inode == 0 || nanoseconds(now) - state.changed < kYoung) return;
  const std::scoped_lock lock(sound_files().mutex);
  sound_files().states[{state.device, state.inode}] = state;
}

}  // namespace memlong::membank
