// Which files an ingest reads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ingest_text.h"

namespace memlong::engine {

enum class SourceKind : uint8_t { text, json_lines };

struct Source {
  SourceKind kind = SourceKind::text;
  std::filesystem::path path;                            ///< "-": standard input
  std::string name;                                      ///< of the document
  int64_t bytes = 0;                                     ///< 0: not known yet
  std::shared_ptr<const std::string> content = nullptr;  ///< in place of a file
};

struct SourceOptions {
  /// Shell patterns of what a folder gives: matched against the file's name or, where they hold a
  /// '/', against its path below the folder. Empty: *.txt, *.md, *.markdown, *.text.
  std::vector<std::string> include;
  bool json_lines_input = false;              ///< standard input holds JSON lines
  std::string input_name = "standard-input";  ///< document name of standard input
};

struct SourceList {
  std::vector<Source> sources;
  std::vector<std::string> problems;  ///< one line each: paths that gave nothing
};

/// Files as they are (.jsonl and .ndjson are JSON lines), folders with everything below them, by
/// path: hidden files and folders are skipped, links to folders followed, none entered twice; a
/// link that matches and leads nowhere is a problem. "-" is standard input. A file named twice is
/// read once.
SourceList list_sources(const std::vector<std::string>& paths, const SourceOptions& options);

/// Opens a source for reading from its start; the result may be called until it gives 0. What is no
/// regular file (a pipe, standard input) is copied into a temporary file first, so that it can be
/// read again: `bytes` becomes its size. Errors: io; format (a device such as /dev/zero, a named
/// pipe that nobody writes to).
class SourceFile {
 public:
  explicit SourceFile(const Source& source);
  SourceFile(const SourceFile&) = delete;
  SourceFile& operator=(const SourceFile&) = delete;
  ~SourceFile();
  [[nodiscard]] int64_t bytes() const { return bytes_; }
  /// From the start again. Lives at most as long as the file.
  ReadBlock open();

 private:
  void prepare();
  void spool();
  size_t read(char* to, size_t size) const;

  std::string path_;
  std::shared_ptr<const std::string> content_;
  int descriptor_ = -1;
  int64_t bytes_ = 0;
};

}  // namespace memlong::engine
