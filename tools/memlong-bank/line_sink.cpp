#include "tools/memlong-bank/line_sink.h"

#include <unistd.h>
#include <utility>

#include "common/error.h"
#include "tools/common/output.h"

namespace memlong::bank_tool {

LineSink::LineSink(std::filesystem::path file) : file_(std::move(file)) {
  if (file_.empty()) return;
  part_ = file_.string() + ".part";
  stream_ = std::fopen(part_.c_str(), "wb");
  if (stream_ == nullptr) fail_errno("cannot write", part_.string());
}

LineSink::~LineSink() {
  if (stream_ == nullptr) return;
  std::fclose(stream_);
  std::error_code ignored;
  std::filesystem::remove(part_, ignored);
}

void LineSink::line(const std::string& text) {
  if (file_.empty()) return tools::print_out(text + "\n");
  if (std::fwrite(text.data(), 1, text.size(), stream_) != text.size() ||
      std::fputc('\n', stream_) == EOF) {
    fail_errno("cannot write", part_.string());
  }
}

void LineSink::finish() {
  if (file_.empty()) return tools::flush_out();
  if (std::fflush(stream_) != 0 || fsync(fileno(stream_)) != 0) {
    fail_errno("cannot write", part_.string());
  }
  if (std::rename(part_.c_str(), file_.c_str()) != 0) fail_errno("cannot write", file_.string());
  std::fclose(std::exchange(stream_, nullptr));
}

}  // namespace memlong::bank_tool
