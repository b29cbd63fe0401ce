// Typed, range-checked values of a JSON object. Every error is one line that names file and key.
// Included only by .cpp files of this folder.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace memlong::model {

/// One object of a JSON file. Keeps references: use it while the object lives. Not thread-safe.
/// A key that is absent or null counts as not given. Errors: config.
class JsonFields {
 public:
  JsonFields(const nlohmann::json& object, std::string origin)
      : object_(object), origin_(std::move(origin)) {}

  [[nodiscard]] const std::string& origin() const { return origin_; }
  [[nodiscard]] bool has(const std::string& key) const;
  [[nodiscard]] const nlohmann::json& at(const std::string& key) const;
  /// A whole number in [low, high]; must be there.
  [[nodiscard]] int64_t integer(const std::string& key, int64_t low, int64_t high) const;
  [[nodiscard]] int64_t integer_or(const std::string& key, int64_t low, int64_t high,
                                   int64_t otherwise) const;
  /// A finite number in [low, high].
  [[nodiscard]] double number_or(const std::string& key, double low, double high,
                                 double otherwise) const;
  [[nodiscard]] bool flag_or(const std::string& key, bool otherwise) const;
  [[nodiscard]] std::string text_or(const std::string& key, const std::string& otherwise) const;
  /// A whole number or a list of them, each in [low, high]; empty when not given.
  [[nodiscard]] std::vector<int32_t> ids(const std::string& key, int64_t low, int64_t high) const;
  /// "config.json: KEY WHAT" as Error{config}.
  [[noreturn]] void refuse(const std::string& key, const std::string& what) const;

 private:
  [[nodiscard]] int64_t whole(const nlohmann::json& value, const std::string& key, int64_t low,
                              int64_t high) const;

  const nlohmann::json& object_;
  std::string origin_;
};

/// Parses `text` into an object. Errors: format, naming `origin`, also for a key that occurs twice
/// where `unique` is asked for.
nlohmann::json parse_json_object(std::string_view text, const std::string& origin,
                                 bool unique = false);

}  // namespace memlong::model
