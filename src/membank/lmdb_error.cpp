#include <array>
#include <cerrno>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <lmdb.h>

#include "common/error.h"
#include "membank/lmdb_env.h"

namespace memlong::membank {
namespace {

constexpr std::array<const char*, kDbCount> kNames = {
    "meta",  "docs",       "doc_names", "doc_hashes", "chunks", "kv",        "vectors",
    "usage", "doc_chunks", "texts",     "turns",      "blobs",  "namespaces"};

/// LMDB reports a write that was cut short by a full disk or a limit of file sizes as EIO.
bool disk_is_full(const std::filesystem::path& path) {
  rlimit limit{};
  struct stat file {};
  const bool limited = ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
                       ::stat(path.c_str(), &file) == 0 &&
                       static_cast<rlim_t>(file.st_size) >= limit.rlim_cur;
  if (limited) return true;
  struct statvfs info {};
  constexpr uint64_t kNearlyNothing = 1U << 20;
  return ::statvfs(path.c_str(), &info) == 0 &&
         static_cast<uint64_t>(info.f_bavail) * info.f_frsize < kNearlyNothing;
}

ErrorKind kind_of(int code, const std::filesystem::path& path) {
  switch (code) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case ENOMEM:
    case MDB_TXN_FULL:
    case MDB_READERS_FULL:
    case MDB_DBS_FULL:
      return ErrorKind::capacity;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_INCOMPATIBLE:
    case MDB_BAD_VALSIZE:
    case MDB_CURSOR_FULL:
      return ErrorKind::corrupt;
    case MDB_VERSION_MISMATCH:
      return ErrorKind::mismatch;
    case EIO:
      return disk_is_full(path) ? ErrorKind::capacity : ErrorKind::io;
    default:
      return ErrorKind::io;
  }
}

}  // namespace

const char* db_name(Db db) { return kNames[static_cast<size_t>(db)]; }

void fail_lmdb(int code, const std::string& what, const std::filesystem::path& path) {
  if (code == MDB_MAP_FULL) throw MapFull{};
  std::string message = "cannot " + what + " " + path.string() + ": " + mdb_strerror(code);
  if (code == MDB_PANIC) {  // the library refuses everything from then on
    message =
        "cannot " + what + " " + path.string() +
        ": a commit failed while it was being written, and this process can use the bank no more; "
        "end it and start it again, what was committed before is kept";
  }
  const ErrorKind kind = kind_of(code, path);
  if (kind == ErrorKind::capacity && code == EIO) message += " (no room left)";
  if (code == ENOSPC || code == EDQUOT || (kind == ErrorKind::capacity && code == EIO)) {
    message += "; make room and run it again, what was committed is kept";
  }
  if (code == MDB_TXN_FULL) message += "; commit smaller batches";
  fail(kind, message);
}

}  // namespace memlong::membank
