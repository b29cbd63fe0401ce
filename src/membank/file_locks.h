// Locks between processes, by flock(2). They end with the process that holds them.
#pragma once

#include <filesystem>

namespace memlong::membank {

/// The right to write: an exclusive lock on `writer.lock`, which names the holder's process id.
class WriterLock {
 public:
  /// Errors: busy (naming the process that holds it), io.
  explicit WriterLock(const std::filesystem::path& folder);
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;
  ~WriterLock();

 private:
  int fd_ = -1;
};

/// Keeps writers out. A reader needs it where it cannot register in LMDB's table of readers: a
/// writer would not know of it and use its pages again.
class NoWriters {
 public:
  /// Without `writer.lock` (a copy of a data file alone) there is nothing to hold. Errors: busy.
  explicit NoWriters(const std::filesystem::path& folder);
  NoWriters(const NoWriters&) = delete;
  NoWriters& operator=(const NoWriters&) = delete;
  ~NoWriters();

 private:
  int fd_ = -1;
};

/// Held for the moments in which the bank's files are opened or exchanged: an exclusive lock on
/// the folder itself. Waits. A file system that cannot lock folders is used without.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder);
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();
  /// Renames and removes files of the folder, durably. Errors: io.
  void replace(const char* from, const char* to) const;
  void remove(const char* name) const;

 private:
  std::filesystem::path folder_;
  int fd_ = -1;
};

}  // namespace memlong::membank
