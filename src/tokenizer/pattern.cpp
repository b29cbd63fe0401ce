#include "tokenizer/pattern.h"

#include <array>
#include <mutex>
#include <oniguruma.h>

#include "common/error.h"

namespace memlong::tokenizer {
namespace {

constexpr size_t kMaxExpression = size_t{64} << 10;
// Far more than an expression of a real tokenizer needs for a part of text (kPartBytes).
constexpr unsigned int kMaxStack = 1U << 20;
constexpr unsigned long kMaxRetries = 4'000'000;

const OnigUChar* bytes_of(std::string_view text) {
  return reinterpret_cast<const OnigUChar*>(text.data());
}

void initialize_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    MEMLONG_CHECK(onig_initialize(encodings, 1) == ONIG_NORMAL, "Oniguruma does not start");
  });
}

std::string reason_of(int code, OnigErrorInfo* info = nullptr) {
  std::array<OnigUChar, ONIG_MAX_ERROR_MESSAGE_LEN> text{};
  const int length = info != nullptr ? onig_error_code_to_str(text.data(), code, info)
                                     : onig_error_code_to_str(text.data(), code);
  return {reinterpret_cast<const char*>(text.data()), static_cast<size_t>(length)};
}

/// What one search needs beside the expression.
struct Search {
  Search() : region(onig_region_new()), limits(onig_new_match_param()) {
    MEMLONG_CHECK(region != nullptr && limits != nullptr, "out of memory");
    onig_initialize_match_param(limits);
    onig_set_match_stack_limit_size_of_match_param(limits, kMaxStack);
    onig_set_retry_limit_in_match_of_match_param(limits, kMaxRetries);
    onig_set_retry_limit_in_search_of_match_param(limits, kMaxRetries);
  }
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;
  ~Search() {
    onig_region_free(region, 1);
    onig_free_match_param(limits);
  }
  OnigRegion* region;
  OnigMatchParam* limits;
};

}  // namespace

class Pattern::Regex {
 public:
  Regex(const std::string& expression, const std::string& origin) : origin_(origin) {
    initialize_library();
    if (expression.size() > kMaxExpression) {
      fail(ErrorKind::format, origin + ": a regular expression of " +
                                  std::to_string(expression.size()) + " bytes is too long");
    }
    const OnigUChar* begin = bytes_of(expression);
    OnigErrorInfo info{};
    const int code = onig_new(&compiled_, begin, begin + expression.size(), ONIG_OPTION_NONE,
                              ONIG_ENCODING_UTF8, ONIG_SYNTAX_RUBY, &info);
    if (code != ONIG_NORMAL) {
      fail(ErrorKind::format, origin + ": the regular expression " + expression +
                                  " is no good: " + reason_of(code, &info));
    }
  }
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;
  ~Regex() { onig_free(compiled_); }

  [[nodiscard]] std::optional<Match> find(std::string_view text, size_t from) const {
    thread_local Search search;
    const OnigUChar* begin = bytes_of(text);
    const OnigUChar* end = begin + text.size();
    while (from < text.size()) {
      const int at = onig_search_with_param(compiled_, begin, end, begin + from, end, search.region,
                                            ONIG_OPTION_NONE, search.limits);
      if (at == ONIG_MISMATCH) return std::nullopt;
      if (at < 0) {
        fail(ErrorKind::format,
             origin_ + ": a regular expression fails on a text: " + reason_of(at));
      }
      const Match match = {static_cast<size_t>(search.region->beg[0]),
                           static_cast<size_t>(search.region->end[0])};
      if (match.end > match.begin) return match;
      from = match.end + 1;  // an empty one
      while (from < text.size() && (static_cast<uint8_t>(text[from]) & 0xC0U) == 0x80U) ++from;
    }
    return std::nullopt;
  }

 private:
  std::string origin_;
  regex_t* compiled_ = nullptr;
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
