#include "tokenizer/pattern.h"

#include <algorithm>
#include <array>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "common/error.h"

namespace memlong::tokenizer {
namespace {

constexpr size_t kMaxExpression = size_t{64} << 10;
constexpr size_t kShown = 100;  ///< of an expression in a message
// Far more than an expression of a real tokenizer needs for a part of text (kPartBytes).
constexpr uint32_t kMaxSteps = 4'000'000;
constexpr uint32_t kMaxHeapKib = 65'536;
constexpr size_t kMaxStack = size_t{16} << 20;

PCRE2_SPTR bytes_of(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

std::string reason_of(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

/// What one search needs beside the expression.
struct Search {
  Search()
      : match(pcre2_match_data_create(1, nullptr)),
        context(pcre2_match_context_create(nullptr)),
        stack(pcre2_jit_stack_create(size_t{32} << 10, kMaxStack, nullptr)) {
    MEMLONG_CHECK(match != nullptr && context != nullptr, "out of memory");
    pcre2_set_match_limit(context, kMaxSteps);
    pcre2_set_heap_limit(context, kMaxHeapKib);
    pcre2_jit_stack_assign(context, nullptr, stack);
  }
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;
  ~Search() {
    pcre2_match_data_free(match);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
  pcre2_match_data* match;
  pcre2_match_context* context;
  pcre2_jit_stack* stack;
};

/// Ruby's syntax, as far as PCRE2 reads something else there: \uHHHH is \x{HHHH}; what has no like
/// is named in `unsupported`.
std::string in_pcre_syntax(std::string_view expression, const char*& unsupported) {
  std::string out;
  bool in_set = false;
  for (size_t i = 0; i < expression.size(); ++i) {
    const std::string_view rest = expression.substr(i);
    size_t taken = 1;
    if (rest.starts_with("\\u") && rest.size() >= 6) {
      out.append("\\x{").append(rest.substr(2, 4)).append("}");
      i += 5;
      continue;
    }
    if (rest[0] == '\\') {
      if (rest.starts_with("\\h") || rest.starts_with("\\H")) unsupported = "\\h";
      taken = std::min<size_t>(2, rest.size());
    } else if (!in_set && rest[0] == '[') {
      in_set = true;
      taken = rest.starts_with("[^") ? 2 : 1;
    } else if (in_set && rest.starts_with("[:") && rest.find(":]") != std::string_view::npos) {
      taken = rest.find(":]") + 2;
    } else if (in_set && (rest[0] == '[' || rest.starts_with("&&"))) {
      unsupported = "a set within a set";
    } else if (rest[0] == ']') {
      in_set = false;
    }
    out.append(rest.substr(0, taken));
    i += taken - 1;
  }
  return out;
}

}  // namespace

class Pattern::Regex {
 public:
  Regex(const std::string& expression, const std::string& origin) : origin_(origin) {
    const std::string shown = "the regular expression " + expression.substr(0, kShown);
    if (expression.size() > kMaxExpression) {
      fail(ErrorKind::format, origin + ": a regular expression of " +
                                  std::to_string(expression.size()) + " bytes is too long");
    }
    const char* unsupported = nullptr;
    const std::string pcre = in_pcre_syntax(expression, unsupported);
    if (unsupported != nullptr) {
      fail(ErrorKind::config,
           origin + ": " + shown + " has " + unsupported + ", which is not supported");
    }
    int code = 0;
    size_t at = 0;
    compiled_ = pcre2_compile(bytes_of(pcre), pcre.size(),
                              PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                              &code, &at, nullptr);
    if (compiled_ == nullptr) {
      fail(ErrorKind::format, origin + ": " + shown + " is no good: " + reason_of(code));
    }
    pcre2_jit_compile(compiled_, PCRE2_JIT_COMPLETE);  // where it cannot, matching is slower
  }
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;
  ~Regex() { pcre2_code_free(compiled_); }

  [[nodiscard]] std::optional<Match> find(std::string_view text, size_t from) const {
    thread_local Search search;
    const int found = pcre2_match(compiled_, bytes_of(text), text.size(), from, PCRE2_NO_UTF_CHECK,
                                  search.match, search.context);
    if (found == PCRE2_ERROR_NOMATCH) return std::nullopt;
    if (found < 0) {
      fail(ErrorKind::format,
           origin_ + ": a regular expression fails on a text: " + reason_of(found));
    }
    const size_t* ends = pcre2_get_ovector_pointer(search.match);
    return Match{std::min(ends[0], ends[1]), ends[1]};  // \\K may set the beginning behind the end
  }

 private:
  std::string origin_;
  pcre2_code* compiled_ = nullptr;
};

Pattern Pattern::literal(std::string text) {
  Pattern pattern;
  pattern.text_ = std::move(text);
  return pattern;
}

Pattern Pattern::regex(const std::string& expression, const std::string& origin) {
  Pattern pattern;
  pattern.regex_ = std::make_shared<const Regex>(expression, origin);
  return pattern;
}

std::optional<Pattern::Match> Pattern::find(std::string_view text, size_t from) const {
  if (regex_ != nullptr) return regex_->find(text, from);
  const size_t at = text_.empty() ? std::string_view::npos : text.find(text_, from);
  if (at == std::string_view::npos) return std::nullopt;
  return Match{at, at + text_.size()};
}

}  // namespace memlong::tokenizer
