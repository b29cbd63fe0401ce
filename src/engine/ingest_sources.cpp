#include "engine/ingest_sources.h"

#include <algorithm>
#include <fnmatch.h>
#include <set>

#include "common/error.h"

namespace memlong::engine {
namespace {

namespace fs = std::filesystem;

SourceKind kind_of(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".jsonl" || extension == ".ndjson" ? SourceKind::json_lines
                                                         : SourceKind::text;
}

bool hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

/// Collects files; one object for one list, so that nothing is taken twice.
class Lister {
 public:
  Lister(const SourceOptions& options, SourceList& list) : options_(options), list_(list) {
    patterns_ = options.include;
    if (patterns_.empty()) patterns_ = {"*.txt", "*.md", "*.markdown", "*.text"};
  }

  void add(const std::string& word) {
    if (word == "-") return add_input();
    const fs::path path = fs::path(word).lexically_normal();
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) {
      list_.problems.push_back(word + ": " + (error ? error.message() : "No such file or folder"));
    } else if (fs::is_directory(status)) {
      const size_t before = list_.sources.size();
      const size_t known = repeated_;
      const size_t problems = list_.problems.size();
      walk(path, path);
      const bool found = list_.sources.size() > before || repeated_ > known;
      if (!found && list_.problems.size() == problems) {
        list_.problems.push_back(word + ": no file in this folder matches (--include chooses)");
      }
    } else {
      add_file(path);
    }
  }

 private:
  void add_input() {
    if (!taken_.insert("-").second) return;
    list_.sources.push_back(
        {.kind = options_.json_lines_input ? SourceKind::json_lines : SourceKind::text,
         .path = "-",
         .name = options_.input_name});
  }

  void add_file(const fs::path& path) {
    std::error_code error;
    const fs::path real = fs::weakly_canonical(path, error);
    if (!taken_.insert(error ? path.string() : real.string()).second) {
      ++repeated_;
      return;
    }
    const auto bytes = fs::is_regular_file(path, error) ? fs::file_size(path, error) : 0;
    list_.sources.push_back({.kind = kind_of(path),
                             .path = path,
                             .name = path.string(),
                             .bytes = error ? 0 : static_cast<int64_t>(bytes)});
  }

  [[nodiscard]] bool wanted(const fs::path& path, const fs::path& top) const {
    const std::string name = path.filename().string();
    const std::string below = path.lexically_relative(top).string();
    return std::ranges::any_of(patterns_, [&](const std::string& pattern) {
      const bool whole = pattern.find('/') != std::string::npos;
      return fnmatch(pattern.c_str(), whole ? below.c_str() : name.c_str(), 0) == 0;
    });
  }

  void walk(const fs::path& folder, const fs::path& top) {
    std::error_code error;
    const fs::path real = fs::canonical(folder, error);
    if (error || !entered_.insert(real.string()).second) return;
    std::vector<fs::path> entries;
    fs::directory_iterator walker(folder, error);
    for (; !error && walker != fs::directory_iterator(); walker.increment(error)) {
      if (!hidden(walker->path())) entries.push_back(walker->path());
    }
    if (error) list_.problems.push_back(folder.string() + ": " + error.message());
    std::ranges::sort(entries);
    for (const fs::path& entry : entries) {
      std::error_code trouble;
      const fs::file_status status = fs::status(entry, trouble);
      if (fs::is_directory(status)) {
        walk(entry, top);
      } else if (fs::is_regular_file(status) && wanted(entry, top)) {
        add_file(entry);
      } else if (trouble && wanted(entry, top)) {  // a link that leads nowhere, no permission
        list_.problems.push_back(entry.string() + ": " + trouble.message());
      }
    }
  }

  const SourceOptions& options_;
  SourceList& list_;
  std::vector<std::string> patterns_;
  std::set<std::string> taken_;
  std::set<std::string> entered_;
  size_t repeated_ = 0;
};

}  // namespace

SourceList list_sources(const std::vector<std::string>& paths, const SourceOptions& options) {
  SourceList list;
  Lister lister(options, list);
  for (const std::string& path : paths) lister.add(path);
  return list;
}

}  // namespace memlong::engine
