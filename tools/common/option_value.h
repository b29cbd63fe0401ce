// What an option can hold, and how a value is read from words and written as TOML.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace memlong::tools {

/// The variable that an option fills. An optional (or empty) one means "not said".
using OptionTarget =
    std::variant<bool*, int*, int64_t*, uint64_t*, float*, double*, std::string*,
                 std::filesystem::path*, std::optional<bool>*, std::optional<int>*,
                 std::optional<int64_t>*, std::optional<uint64_t>*, std::optional<double>*,
                 std::optional<std::string>*, std::vector<int64_t>*, std::vector<double>*,
                 std::vector<std::string>*, std::vector<std::filesystem::path>*>;

bool is_flag(const OptionTarget& target);   ///< bool or optional bool: takes no value
bool is_list(const OptionTarget& target);   ///< a vector
bool is_paths(const OptionTarget& target);  ///< a vector of paths: takes words up to the next flag

/// Fills the variable. Lists take several words; a word of a list of numbers or strings may hold
/// several values with commas between them, unless `verbatim`. `source` names the origin in
/// messages ("--top-k", "MEMLONG_TOP_K", "key top-k of a.toml"). Errors: usage.
void assign(const OptionTarget& target, const std::vector<std::string>& words, bool verbatim,
            const std::string& source);

/// The value as TOML ("8", "\"auto\"", "[1, 2]"), nothing when it is not said. An empty text or
/// list is not said either, unless it is `given`.
std::optional<std::string> to_toml(const OptionTarget& target, bool given = false);

/// The values as words, for checks against choices and ranges.
std::vector<std::string> to_words(const OptionTarget& target);

/// "N", "TEXT", "FILE": what help calls a value of this type.
std::string placeholder(const OptionTarget& target);

/// A TOML basic string with quotes.
std::string toml_quote(const std::string& text);

}  // namespace memlong::tools
