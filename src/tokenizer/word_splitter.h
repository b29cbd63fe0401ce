// Where a tokenizer.json cuts text into words; no token goes across.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "tokenizer/pattern.h"

namespace memlong::tokenizer {

/// The pre-tokenizers Split, Digits, ByteLevel, Metaspace, and sequences of these. Immutable and
/// thread-safe.
class WordSplitter {
 public:
  WordSplitter() = default;  ///< one word
  /// `value`: the pre_tokenizer of a tokenizer.json, or null. Errors: config for a kind that is not
  /// supported, format for what is none; `origin` begins the message.
  WordSplitter(const nlohmann::json& value, const std::string& origin);

  /// Whether words are encoded byte by byte.
  [[nodiscard]] bool byte_level() const { return byte_level_; }
  /// What stands for a space in tokens (Metaspace's replacement); "": a space.
  [[nodiscard]] const std::string& space_mark() const { return space_mark_; }
  /// What is put before a text that does not begin with it; "": nothing.
  [[nodiscard]] const std::string& prefix() const { return prefix_; }
  /// Behind an added token too, not only at the beginning.
  [[nodiscard]] bool prefix_everywhere() const { return prefix_everywhere_; }

  /// Cuts `text`, in which spaces are space marks already, without loss (but for what a Split
  /// removes). Errors: as Pattern::find().
  [[nodiscard]] std::vector<std::string_view> split(std::string_view text) const;

 private:
  enum class Behavior : uint8_t { removed, isolated, contiguous, with_previous, with_next };
  struct Cut {
    Pattern pattern;
    Behavior behavior = Behavior::isolated;
    bool invert = false;
  };

  void add(const nlohmann::json& value, const std::string& origin);
  void add_split(const nlohmann::json& value, const std::string& origin);
  void add_byte_level(const nlohmann::json& value, const std::string& origin);
  void add_metaspace(const nlohmann::json& value, const std::string& origin);
  static void cut(const Cut& cut, std::string_view text, std::vector<std::string_view>& into);

  std::vector<Cut> cuts_;
  bool byte_level_ = false;
  std::string space_mark_;
  std::string prefix_;
  bool prefix_everywhere_ = false;
};

}  // namespace memlong::tokenizer
