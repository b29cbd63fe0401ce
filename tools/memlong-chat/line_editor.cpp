#include "tools/memlong-chat/line_editor.h"

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <histedit.h>
#include <string_view>
#include <termios.h>
#include <unistd.h>

#include "common/error.h"
#include "tools/common/signals.h"

namespace memlong::tools {

class LineEditor::Impl {
 public:
  Impl(std::filesystem::path history, std::vector<std::string> words)
      : history_file_(std::move(history)), words_(std::move(words)) {
    if (isatty(STDIN_FILENO) == 0 || isatty(STDOUT_FILENO) == 0) return;
    set_locale();
    editor_ = el_init("memlong-chat", stdin, stdout, stderr);
    if (editor_ == nullptr) return;
    history_ = history_init();
    el_set(editor_, EL_CLIENTDATA, this);
    el_set(editor_, EL_PROMPT, &Impl::prompt_text);
    el_set(editor_, EL_EDITOR, "emacs");
    el_set(editor_, EL_SIGNAL, 1);  // gives the terminal back when a signal comes
    load_history();
    bind_keys();
    el_source(editor_, nullptr);
  }

  ~Impl() {
    if (editor_ != nullptr) el_end(editor_);
    if (history_ != nullptr) history_end(history_);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  [[nodiscard]] bool terminal() const { return editor_ != nullptr; }

  Result read(const std::string& prompt, std::string& line, bool keep) {
    return editor_ != nullptr ? read_edited(prompt, line, keep) : read_plain(line);
  }

 private:
  /// libedit counts columns in the locale's characters: without UTF-8 it would garble them.
  static void set_locale() {
    const char* found = std::setlocale(LC_CTYPE, "");
    if (found == nullptr || MB_CUR_MAX < 2) std::setlocale(LC_CTYPE, "C.UTF-8");
  }

  static Impl& of(EditLine* editor) {
    void* data = nullptr;
    el_get(editor, EL_CLIENTDATA, &data);
    return *static_cast<Impl*>(data);
  }

  static char* prompt_text(EditLine* editor) { return of(editor).prompt_.data(); }

  static unsigned char on_interrupt(EditLine* editor, int /*key*/) {
    const LineInfo* info = el_line(editor);
    of(editor).left_.assign(info->buffer, static_cast<size_t>(info->lastchar - info->buffer));
    of(editor).interrupted_ = true;
    return CC_EOF;
  }

  static unsigned char on_tab(EditLine* editor, int /*key*/) {
    const LineInfo* info = el_line(editor);
    const std::string_view typed(info->buffer, static_cast<size_t>(info->cursor - info->buffer));
    std::string_view match;
    for (const std::string& word : of(editor).words_) {
      if (typed.empty() || !std::string_view(word).starts_with(typed)) continue;
      if (!match.empty()) return CC_REFRESH_BEEP;
      match = word;
    }
    if (match.empty()) return CC_REFRESH_BEEP;
    const std::string rest = std::string(match.substr(typed.size())) + " ";
    return el_insertstr(editor, rest.c_str()) == 0 ? CC_REFRESH : CC_REFRESH_BEEP;
  }

  void bind_keys() {
    el_set(editor_, EL_ADDFN, "memlong-interrupt", "leave the line", &Impl::on_interrupt);
    el_set(editor_, EL_BIND, "^C", "memlong-interrupt", nullptr);
    el_set(editor_, EL_ADDFN, "memlong-complete", "complete a command", &Impl::on_tab);
    el_set(editor_, EL_BIND, "^I", "memlong-complete", nullptr);
    el_set(editor_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  }

  void load_history() {
    if (history_ == nullptr) return;
    constexpr int kLines = 1000;
    HistEvent event;
    history(history_, &event, H_SETSIZE, kLines);
    history(history_, &event, H_SETUNIQUE, 1);
    el_set(editor_, EL_HIST, &history, history_);
    if (history_file_.empty()) return;
    std::error_code error;
    std::filesystem::create_directories(history_file_.parent_path(), error);
    history(history_, &event, H_LOAD, history_file_.c_str());
  }

  void remember(const std::string& line) {
    if (history_ == nullptr || line.find_first_not_of(" \t") == std::string::npos) return;
    HistEvent event;
    history(history_, &event, H_ENTER, line.c_str());
    if (!history_file_.empty()) history(history_, &event, H_SAVE, history_file_.c_str());
  }

  /// While a line is typed Ctrl-C is a key, for a signal would lose what was typed; while an answer
  /// runs it is a signal.
  void prepare_terminal() {
    el_set(editor_, EL_PREP_TERM, 1);
    termios mode{};
    if (tcgetattr(STDIN_FILENO, &mode) != 0) return;
    mode.c_cc[VINTR] = _POSIX_VDISABLE;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &mode);
  }

  Result read_edited(const std::string& prompt, std::string& line, bool keep) {
    prompt_ = prompt;
    interrupted_ = false;
    left_.clear();
    prepare_terminal();
    int count = 0;
    const char* text = el_gets(editor_, &count);
    if (interrupted_ || stop_requested()) {
      line = left_;
      std::fputs("^C\n", stdout);
      std::fflush(stdout);
      return Result::interrupted;
    }
    if (text == nullptr || count <= 0) {
      std::fputs("\n", stdout);
      std::fflush(stdout);
      return Result::end;
    }
    line.assign(text, static_cast<size_t>(count));
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
    if (keep) remember(line);
    return Result::line;
  }

  static Result read_plain(std::string& line) {
    line.clear();
    int c = std::getc(stdin);
    if (c == EOF) {
      if (stop_requested()) return Result::interrupted;
      if (std::ferror(stdin) != 0) fail_errno("cannot read", "standard input");
      return Result::end;
    }
    for (; c != EOF && c != '\n'; c = std::getc(stdin)) line += static_cast<char>(c);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    return Result::line;
  }

  std::filesystem::path history_file_;
  std::vector<std::string> words_;
  EditLine* editor_ = nullptr;
  History* history_ = nullptr;
  std::string prompt_;
  bool interrupted_ = false;
  std::string left_;  ///< what was typed when the line was left
};

LineEditor::LineEditor(std::filesystem::path history, std::vector<std::string> words)
    : impl_(std::make_unique<Impl>(std::move(history), std::move(words))) {}
LineEditor::~LineEditor() = default;

LineEditor::Result LineEditor::read(const std::string& prompt, std::string& line, bool keep) {
  return impl_->read(prompt, line, keep);
}

bool LineEditor::terminal() const { return impl_->terminal(); }

}  // namespace memlong::tools
