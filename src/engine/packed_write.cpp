// PackedFileWriter.
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

#include "common/error.h"
#include "engine/packed_file.h"
#include "engine/packed_index.h"

namespace memlong::engine {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUnfinished = ".part";

size_t whole_pages(size_t bytes) { return (bytes + kPackedPage - 1) / kPackedPage * kPackedPage; }

/// A writer holds a lock on what it has not finished: without one it was killed.
void remove_leftovers(const fs::path& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().extension() != kUnfinished) continue;
    const int file = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) continue;
    if (::flock(file, LOCK_EX | LOCK_NB) == 0) ::unlink(entry.path().c_str());
    ::close(file);
  }
}

}  // namespace

PackedFileWriter::PackedFileWriter(const fs::path& path)
    : path_(path), temporary_(path.string() + "." + std::to_string(::gettid()) + kUnfinished) {
  std::error_code error;
  fs::create_directories(path_.parent_path(), error);
  remove_leftovers(path_.parent_path());
  file_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file_ < 0) fail_errno("cannot create", temporary_.string());
  ::flock(file_, LOCK_EX | LOCK_NB);
}

PackedFileWriter::~PackedFileWriter() {
  if (file_ < 0) return;
  ::unlink(temporary_.c_str());
  ::close(file_);
}

ops::PackedStorage::Place PackedFileWriter::next(size_t bytes, const std::string& layout) {
  const size_t room = whole_pages(bytes);
  // Without room on the disk a store into the mapping would end the process.
  const int error = ::posix_fallocate(file_, static_cast<off_t>(end_), static_cast<off_t>(room));
  if (error != 0) {
    errno = error;
    fail_errno("cannot write", temporary_.string());
  }
  void* memory =
      ::mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_SHARED, file_, static_cast<off_t>(end_));
  if (memory == MAP_FAILED) fail_errno("cannot map", temporary_.string());
  memory_.emplace_back(memory, [room](void* mapped) { ::munmap(mapped, room); });
  entries_.push_back({.offset = end_, .bytes = bytes, .layout = layout});
  end_ += room;
  return {.memory = memory_.back(), .filled = false};
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
  append(packed_index(about, entries_));
  for (size_t i = 0; i < entries_.size(); ++i) {
    ::mprotect(memory_[i].get(), whole_pages(entries_[i].bytes), PROT_READ);
  }
  if (::fsync(file_) != 0) fail_errno("cannot sync", temporary_.string());
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    fail_errno("cannot rename to", path_.string());
  }
  ::close(std::exchange(file_, -1));
}

}  // namespace memlong::engine
