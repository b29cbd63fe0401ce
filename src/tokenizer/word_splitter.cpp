#include "tokenizer/word_splitter.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/utf8.h"
#include "tokenizer/json_values.h"

namespace memlong::tokenizer {
namespace {

using nlohmann::json;

/// GPT-2's words, which ByteLevel cuts where nothing else is said.
constexpr const char* kGpt2Words =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// A stretch of text: a match of the pattern, which may be empty, or what lies between two.
struct Stretch {
  size_t begin = 0;
  size_t end = 0;
  bool match = false;
};

std::vector<Stretch> stretches_of(const Pattern& pattern, std::string_view text) {
  std::vector<Stretch> all;
  size_t done = 0;
  size_t from = 0;
  bool any = false;
  while (from <= text.size()) {
    const auto match = pattern.find(text, from);
    if (!match) break;
    if (match->begin == match->end && any && match->end == done) {  // right behind the last one
      from = done + (done < text.size() ? character_length(text.substr(done)) : 1);
      continue;
    }
    if (match->begin > done) all.push_back({done, match->begin, false});
    all.push_back({match->begin, match->end, true});
    any = true;
    done = from = match->end;
  }
  if (done < text.size()) all.push_back({done, text.size(), false});
  return all;
}

}  // namespace

WordSplitter::WordSplitter(const json& value, const std::string& origin) {
  if (!value.is_null()) add(value, origin);
}

void WordSplitter::add(const json& value, const std::string& origin) {
  const std::string type = type_of(value, "pre_tokenizer", origin);
  if (byte_level_ || !space_mark_.empty()) {
    fail(ErrorKind::config,
         origin + ": a pre_tokenizer " + type + " behind ByteLevel or Metaspace is not supported");
  }
  if (type == "Sequence") {
    for (const json& item : list_of(value, "pretokenizers", origin)) add(item, origin);
  } else if (type == "Split") {
    add_split(value, origin);
  } else if (type == "Digits") {
    const bool each = flag_of(value, "individual_digits", false, origin);
    cuts_.push_back({Pattern::regex(R"(\p{N})", origin),
                     each ? Behavior::isolated : Behavior::contiguous, false});
  } else if (type == "ByteLevel") {
    add_byte_level(value, origin);
  } else if (type == "Metaspace") {
    add_metaspace(value, origin);
  } else {
    fail(ErrorKind::config, origin + ": pre_tokenizer " + type + " is not supported");
  }
}

void WordSplitter::add_split(const json& value, const std::string& origin) {
  static constexpr std::pair<std::string_view, Behavior> kBehaviors[] = {
      {"Removed", Behavior::removed},
      {"Isolated", Behavior::isolated},
      {"Contiguous", Behavior::contiguous},
      {"MergedWithPrevious", Behavior::with_previous},
      {"MergedWithNext", Behavior::with_next}};
  const std::string name = string_of(value, "behavior", origin);
  for (const auto& [known, behavior] : kBehaviors) {
    if (name != known) continue;
    cuts_.push_back({pattern_of(value, origin), behavior, flag_of(value, "invert", false, origin)});
    return;
  }
  fail(ErrorKind::format, origin + ": " + name + " is no behavior of a Split");
}

void WordSplitter::add_byte_level(const json& value, const std::string& origin) {
  byte_level_ = true;
  if (flag_of(value, "add_prefix_space", true, origin)) {
    if (!cuts_.empty()) {  // there it would be put before each word
      fail(ErrorKind::config, origin +
                                  ": a ByteLevel with add_prefix_space behind other "
                                  "pre_tokenizers is not supported");
    }
    prefix_ = " ";
    prefix_everywhere_ = true;
  }
  if (flag_of(value, "use_regex", true, origin)) {
    cuts_.push_back({Pattern::regex(kGpt2Words, origin), Behavior::isolated, false});
  }
}

void WordSplitter::add_metaspace(const json& value, const std::string& origin) {
  if (!cuts_.empty()) {
    fail(ErrorKind::config, origin + ": a Metaspace behind other pre_tokenizers is not supported");
  }
  space_mark_ = string_of(value, "replacement", origin);
  if (space_mark_.empty()) fail(ErrorKind::format, origin + ": replacement is empty");
  std::string scheme = flag_of(value, "add_prefix_space", true, origin) ? "always" : "never";
  if (value.contains("prepend_scheme")) scheme = string_of(value, "prepend_scheme", origin);
  if (scheme != "always" && scheme != "first" && scheme != "never") {
    fail(ErrorKind::format, origin + ": " + scheme + " is no prepend_scheme");
  }
  if (scheme != "never") prefix_ = space_mark_;
  prefix_everywhere_ = scheme == "always";
  if (flag_of(value, "split", true, origin)) {
    cuts_.push_back({Pattern::literal(space_mark_), Behavior::with_next, false});
  }
}

void WordSplitter::cut(const Cut& cut, std::string_view text, std::vector<std::string_view>& into) {
  std::vector<Stretch> stretches = stretches_of(cut.pattern, text);
  for (Stretch& stretch : stretches) stretch.match = stretch.match != cut.invert;
  const auto put = [&](size_t begin, size_t end) {
    if (end > begin) into.push_back(text.substr(begin, end - begin));
  };
  for (size_t i = 0; i < stretches.size(); ++i) {
    const Stretch first = stretches[i];
    if (first.match && cut.behavior == Behavior::removed) continue;
    size_t last = i;  // what goes into the same word
    const auto more = [&] { return last + 1 < stretches.size(); };
    if (cut.behavior == Behavior::contiguous) {
      while (more() && stretches[last + 1].match == first.match) ++last;
    } else if (cut.behavior == Behavior::with_previous) {
      if (!first.match && more() && stretches[last + 1].match) ++last;
    } else if (cut.behavior == Behavior::with_next) {
      if (first.match && more() && !stretches[last + 1].match) ++last;
    }
    put(first.begin, stretches[last].end);
    i = last;
  }
}

std::vector<std::string_view> WordSplitter::split(std::string_view text) const {
  std::vector<std::string_view> words;
  if (!text.empty()) words.push_back(text);
  for (const Cut& one : cuts_) {
    std::vector<std::string_view> finer;
    for (const std::string_view word : words) cut(one, word, finer);
    words = std::move(finer);
  }
  return words;
}

}  // namespace memlong::tokenizer
