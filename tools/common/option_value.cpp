#include "tools/common/option_value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <type_traits>

#include "common/error.h"

namespace memlong::tools {
namespace {

template <class T>
struct Inner {
  using Type = T;
  static constexpr bool kOptional = false;
  static constexpr bool kList = false;
};
template <class T>
struct Inner<std::optional<T>> {
  using Type = T;
  static constexpr bool kOptional = true;
  static constexpr bool kList = false;
};
template <class T>
struct Inner<std::vector<T>> {
  using Type = T;
  static constexpr bool kOptional = false;
  static constexpr bool kList = true;
};
template <class Pointer>
using InnerOf = Inner<std::remove_pointer_t<Pointer>>;

template <class T>
constexpr bool kIsNumber = std::is_arithmetic_v<T> && !std::is_same_v<T, bool>;

[[noreturn]] void refuse(const std::string& source, const std::string& word,
                         const std::string& wanted) {
  fail(ErrorKind::usage, source + ": '" + word + "' is not " + wanted);
}

bool read_bool(const std::string& word, const std::string& source) {
  std::string low = word;
  std::transform(low.begin(), low.end(), low.begin(), [](unsigned char c) { return tolower(c); });
  if (low == "true" || low == "1" || low == "yes" || low == "on") return true;
  if (low == "false" || low == "0" || low == "no" || low == "off") return false;
  refuse(source, word, "true or false");
}

template <class T>
T read_number(const std::string& word, const std::string& source) {
  constexpr const char* kWanted = std::is_floating_point_v<T> ? "a number"
                                  : std::is_unsigned_v<T>     ? "a whole number of 0 or more"
                                                              : "a whole number";
  std::string digits = word;
  if (digits.size() > 1 && digits[0] == '+') digits.erase(0, 1);
  T value{};
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value);
  if (error == std::errc::result_out_of_range) {
    fail(ErrorKind::usage, source + ": " + word + " is out of range");
  }
  if (error != std::errc() || stop != end) refuse(source, word, kWanted);
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) refuse(source, word, kWanted);
  }
  return value;
}

template <class T>
T read_value(const std::string& word, const std::string& source) {
  if constexpr (std::is_same_v<T, bool>) {
    return read_bool(word, source);
  } else if constexpr (kIsNumber<T>) {
    return read_number<T>(word, source);
  } else {
    return T(word);
  }
}

std::vector<std::string> split_commas(const std::string& word) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (true) {
    const size_t comma = word.find(',', begin);
    std::string part = word.substr(begin, comma == std::string::npos ? comma : comma - begin);
    while (!part.empty() && part.front() == ' ') part.erase(0, 1);
    while (!part.empty() && part.back() == ' ') part.pop_back();
    if (!part.empty()) parts.push_back(std::move(part));
    if (comma == std::string::npos) return parts;
    begin = comma + 1;
  }
}

std::string plain(bool value) { return value ? "true" : "false"; }
std::string plain(const std::string& value) { return value; }
std::string plain(const std::filesystem::path& value) { return value.string(); }
template <class T>
requires kIsNumber<T> std::string plain(T value) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  std::string text(buffer, end);
  if constexpr (std::is_floating_point_v<T>) {
    if (text.find_first_of(".e") == std::string::npos) text += ".0";
  }
  return text;
}

template <class T>
std::string toml_of(const T& value) {
  if constexpr (std::is_same_v<T, uint64_t>) {  // TOML's numbers end at 2^63 - 1
    return value > uint64_t{INT64_MAX} ? toml_quote(plain(value)) : plain(value);
  } else if constexpr (std::is_arithmetic_v<T>) {
    return plain(value);
  } else {
    return toml_quote(plain(value));
  }
}

}  // namespace

bool is_flag(const OptionTarget& target) {
  return std::holds_alternative<bool*>(target) ||
         std::holds_alternative<std::optional<bool>*>(target);
}

bool is_list(const OptionTarget& target) {
  return std::visit([](auto* p) { return InnerOf<decltype(p)>::kList; }, target);
}

bool is_paths(const OptionTarget& target) {
  return std::holds_alternative<std::vector<std::filesystem::path>*>(target);
}

void assign(const OptionTarget& target, const std::vector<std::string>& words, bool verbatim,
            const std::string& source) {
  std::visit(
      [&](auto* variable) {
        using Traits = InnerOf<decltype(variable)>;
        using T = typename Traits::Type;
        if constexpr (Traits::kList) {
          variable->clear();
          const bool whole = verbatim || std::is_same_v<T, std::filesystem::path>;
          for (const std::string& word : words) {
            if (whole) {
              variable->push_back(read_value<T>(word, source));
              continue;
            }
            for (const std::string& part : split_commas(word)) {
              variable->push_back(read_value<T>(part, source));
            }
          }
        } else {
          if (words.size() != 1) fail(ErrorKind::usage, source + " takes one value");
          *variable = read_value<T>(words[0], source);
        }
      },
      target);
}

std::optional<std::string> to_toml(const OptionTarget& target, bool given) {
  return std::visit(
      [given](const auto* variable) -> std::optional<std::string> {
        using Traits = InnerOf<std::remove_const_t<std::remove_pointer_t<decltype(variable)>>*>;
        if constexpr (Traits::kList) {
          if (variable->empty() && !given) return std::nullopt;
          std::string text = "[";
          for (const auto& value : *variable)
            text += (text.size() > 1 ? ", " : "") + toml_of(value);
          return text + "]";
        } else if constexpr (Traits::kOptional) {
          return variable->has_value() ? std::optional(toml_of(**variable)) : std::nullopt;
        } else if constexpr (std::is_arithmetic_v<typename Traits::Type>) {
          return toml_of(*variable);
        } else {
          if (variable->empty() && !given) return std::nullopt;
          return toml_of(*variable);
        }
      },
      target);
}

std::vector<std::string> to_words(const OptionTarget& target) {
  return std::visit(
      [](const auto* variable) {
        using Traits = InnerOf<std::remove_const_t<std::remove_pointer_t<decltype(variable)>>*>;
        std::vector<std::string> words;
        if constexpr (Traits::kList) {
          for (const auto& value : *variable) words.push_back(plain(value));
        } else if constexpr (Traits::kOptional) {
          if (variable->has_value()) words.push_back(plain(**variable));
        } else {
          words.push_back(plain(*variable));
        }
        return words;
      },
      target);
}

std::string placeholder(const OptionTarget& target) {
  return std::visit(
      [](const auto* variable) -> std::string {
        using Traits = InnerOf<std::remove_const_t<std::remove_pointer_t<decltype(variable)>>*>;
        using T = typename Traits::Type;
        const std::string name = std::is_same_v<T, bool>                    ? ""
                                 : std::is_floating_point_v<T>              ? "X"
                                 : std::is_arithmetic_v<T>                  ? "N"
                                 : std::is_same_v<T, std::filesystem::path> ? "PATH"
                                                                            : "TEXT";
        if (!Traits::kList) return name;
        return std::is_same_v<T, std::filesystem::path> ? name + "..." : name + ",...";
      },
      target);
}

std::string toml_quote(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      char buffer[8];
      std::snprintf(buffer, sizeof(buffer), "\\u%04X", byte);
      out += buffer;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace memlong::tools
