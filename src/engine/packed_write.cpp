// PackedFileWriter.
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <regex>
#include <string_view>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "common/error.h"
#include "engine/packed_file.h"
#include "engine/packed_index.h"

namespace memlong::engine {
namespace {

namespace fs = std::filesystem;

size_t whole_pages(size_t bytes) { return (bytes + kPackedPage - 1) / kPackedPage * kPackedPage; }

/// 32 hexadecimal digits, "packed" and six random characters: nobody else's file.
bool is_unfinished(const std::string& name) {
  static const std::regex form("[0-9a-f]{32}\\.packed\\.[0-9A-Za-z]{6}\\.part");
  return std::regex_match(name, form);
}

/// A writer holds a lock on what it has not finished: without one it was killed.
void remove_leftovers(const fs::path& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (!is_unfinished(entry.path().filename().string())) continue;
    const int file = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0) continue;
    if (::flock(file, LOCK_EX | LOCK_NB) == 0) ::unlink(entry.path().c_str());
    ::close(file);
  }
}

}  // namespace

PackedFileWriter::PackedFileWriter(const fs::path& path, size_t most_bytes)
    : path_(path), room_(whole_pages(most_bytes)) {
  std::error_code error;
  fs::create_directories(path_.parent_path(), error);
  remove_leftovers(path_.parent_path());
  constexpr std::string_view kEnding = ".part";
  std::string name = path.string() + ".XXXXXX" + std::string(kEnding);
  file_ = ::mkostemps(name.data(), static_cast<int>(kEnding.size()), O_CLOEXEC);
  if (file_ < 0) fail_errno("cannot create", name);
  temporary_ = name;
  try {
    take_room();
  } catch (...) {
    give_up();
    throw;
  }
}

PackedFileWriter::~PackedFileWriter() { give_up(); }

void PackedFileWriter::give_up() {
  if (file_ < 0) return;
  ::unlink(temporary_.c_str());
  ::close(std::exchange(file_, -1));
}

/// All at once: without room on the disk a store into the mapping would end the process, and where
/// the file system has large folios (ext4 from Linux 6.16 on) the file is to be made of them.
void PackedFileWriter::take_room() {
  struct stat info {};
  // Before it was locked another writer may have taken it for a leftover.
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0 || ::fstat(file_, &info) != 0 || info.st_nlink == 0) {
    fail(ErrorKind::io, temporary_.string() + " cannot be locked");
  }
  const size_t room = room_;
  errno = ::posix_fallocate(file_, 0, static_cast<off_t>(room));
  if (errno != 0) fail_errno("cannot write", temporary_.string());
  void* memory = ::mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
  if (memory == MAP_FAILED) fail_errno("cannot map", temporary_.string());
  memory_ = {static_cast<std::byte*>(memory), [room](void* mapped) { ::munmap(mapped, room); }};
  ::madvise(memory, room, MADV_HUGEPAGE);
}

ops::PackedStorage::Place PackedFileWriter::next(size_t bytes, const std::string& layout) {
  const size_t size = whole_pages(bytes);
  if (size > room_ - end_) {
    fail(ErrorKind::capacity, temporary_.string() + ": packed weights take more than the " +
                                  std::to_string(room_) + " bytes that were expected");
  }
  entries_.push_back({.offset = end_, .bytes = bytes, .layout = layout});
  const std::shared_ptr<void> memory(memory_, memory_.get() + end_);
  end_ += size;
  return {.memory = memory, .filled = false};
}

void PackedFileWriter::append(const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t count =
        ::pwrite(file_, text.data() + done, text.size() - done, static_cast<off_t>(end_ + done));
    if (count < 0) fail_errno("cannot write", temporary_.string());
    done += static_cast<size_t>(count);
  }
  end_ += text.size();
}

void PackedFileWriter::keep(const PackedAbout& about) {
  ::mprotect(memory_.get(), room_, PROT_READ);
  append(packed_index(about, entries_));
  if (::ftruncate(file_, static_cast<off_t>(end_)) != 0) {
    fail_errno("cannot cut", temporary_.string());
  }
  if (::fsync(file_) != 0) fail_errno("cannot sync", temporary_.string());
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    fail_errno("cannot rename to", path_.string());
  }
  ::close(std::exchange(file_, -1));
}

}  // namespace memlong::engine
