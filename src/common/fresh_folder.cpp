#include "common/fresh_folder.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <stdio.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "common/error.h"
#include "common/file.h"

namespace memlong {
namespace {

namespace fs = std::filesystem;

fs::path resolved(const fs::path& folder) {
  std::error_code error;
  fs::path path = fs::weakly_canonical(fs::absolute(folder), error);
  if (error) fail(ErrorKind::io, "cannot use " + folder.string() + ": " + error.message());
  return path.has_filename() ? path : path.parent_path();
}

void move_file(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail_errno("cannot rename to", to.string());
}

}  // namespace

FreshFolder::FreshFolder(const fs::path& target)
    : target_(resolved(target)), path_(target_.string() + ".tmp" + std::to_string(::getpid())) {
  std::error_code error;
  fs::remove_all(path_, error);
  fs::create_directories(path_, error);
  if (error) fail(ErrorKind::io, "cannot create " + path_.string() + ": " + error.message());
}

FreshFolder::~FreshFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void FreshFolder::replace() {
  const char* from = path_.c_str();
  const char* to = target_.c_str();
  if (::rename(from, to) != 0) {
    if (errno != ENOTEMPTY && errno != EEXIST) fail_errno("cannot rename to", target_.string());
    if (::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) != 0) {
      // A file system that cannot exchange: for a moment there is no folder of that name.
      const fs::path old = path_.string() + ".old";
      if (::rename(to, old.c_str()) != 0) fail_errno("cannot move away", target_.string());
      if (::rename(from, to) != 0) {
        const int error = errno;
        (void)::rename(old.c_str(), to);
        errno = error;
        fail_errno("cannot rename to", target_.string());
      }
      std::error_code ignored;
      fs::remove_all(old, ignored);
    }
  }
  (void)sync_folder(target_.parent_path());
}

void FreshFolder::merge(const char* last) {
  if (::rename(path_.c_str(), target_.c_str()) == 0) {
    (void)sync_folder(target_.parent_path());
    return;
  }
  if (errno != ENOTEMPTY && errno != EEXIST) fail_errno("cannot rename to", target_.string());
  std::vector<fs::path> names;
  for (const auto& entry : fs::directory_iterator(path_)) {
    if (entry.path().filename() != last) names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  names.emplace_back(last);
  for (const fs::path& name : names) move_file(path_ / name, target_ / name);
  (void)sync_folder(target_);
}

}  // namespace memlong
