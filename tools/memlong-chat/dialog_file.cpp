#include "tools/memlong-chat/dialog_file.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/file.h"
#include "tools/common/text.h"

namespace memlong::tools {

namespace {

using nlohmann::json;
using Messages = std::vector<tokenizer::Message>;

constexpr std::array<std::string_view, 3> kRoles = {"system", "user", "assistant"};
constexpr std::string_view kSpace = " \t\r\n";

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

tokenizer::Message to_message(const json& value, const std::string& where) {
  if (!value.is_object()) fail(ErrorKind::format, where + " is not an object");
  for (const char* key : {"role", "content"}) {
    if (!value.contains(key) || !value[key].is_string()) {
      fail(ErrorKind::format, where + " has no string \"" + key + "\"");
    }
  }
  tokenizer::Message message{value["role"].get<std::string>(), value["content"].get<std::string>()};
  if (std::find(kRoles.begin(), kRoles.end(), message.role) == kRoles.end()) {
    fail(ErrorKind::format, where + ": role \"" + cut(message.role, 40) +
                                "\" is none of \"system\", \"user\", \"assistant\"");
  }
  return message;
}

void add_list(const json& list, const std::string& where, Messages& out) {
  for (size_t i = 0; i < list.size(); ++i) {
    out.push_back(to_message(list[i], where + ": turn " + std::to_string(i)));
  }
}

void add_value(const json& value, const std::string& where, Messages& out) {
  if (value.is_array()) return add_list(value, where, out);
  if (value.is_object()) {
    for (const char* key : {"turns", "messages"}) {
      if (!value.contains(key)) continue;
      if (!value[key].is_array()) {
        fail(ErrorKind::format, where + ": \"" + key + "\" is not a list");
      }
      return add_list(value[key], where, out);
    }
    if (value.contains("role")) return out.push_back(to_message(value, where));
  }
  fail(ErrorKind::format, where + " has no list \"turns\" or \"messages\"");
}

/// nlohmann's message without its own "[json.exception...]" in front.
std::string reason(const json::exception& error) {
  const std::string_view text = error.what();
  const size_t end = text.find("] ");
  return std::string(end == std::string_view::npos ? text : text.substr(end + 2));
}

Messages parse_json_lines(std::string_view text, const std::string& name) {
  Messages out;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.empty()) continue;
    const std::string where = name + ", line " + std::to_string(number);
    json value;
    try {
      value = json::parse(line);
    } catch (const json::exception& error) {
      fail(ErrorKind::format, where + " is not JSON: " + reason(error));
    }
    add_value(value, where, out);
  }
  return out;
}

Messages parse_json(std::string_view text, const std::string& name) {
  Messages out;
  json value;
  try {
    value = json::parse(text);
  } catch (const json::exception& error) {
    const std::string_view first = trim(text.substr(0, text.find('\n')));
    if (json::accept(first)) return parse_json_lines(text, name);
    fail(ErrorKind::format, name + " is not JSON: " + reason(error));
  }
  add_value(value, name, out);
  return out;
}

/// "User: hello" -> role "user", rest " hello"; an empty role when no message begins here.
std::string_view role_of_line(std::string_view line, std::string_view& rest) {
  for (const std::string_view role : kRoles) {
    if (line.size() <= role.size() || line[role.size()] != ':') continue;
    const bool same = std::equal(role.begin(), role.end(), line.begin(), [](char a, char b) {
      return a == static_cast<char>(std::tolower(static_cast<unsigned char>(b)));
    });
    if (!same) continue;
    rest = line.substr(role.size() + 1);
    return role;
  }
  return {};
}

Messages parse_plain(std::string_view text, const std::string& name) {
  Messages out;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    std::string_view rest;
    const std::string_view role = role_of_line(line, rest);
    if (!role.empty()) {
      out.push_back({std::string(role), std::string(rest)});
    } else if (!out.empty()) {
      out.back().content.append("\n").append(line);
    } else if (!trim(line).empty()) {
      fail(ErrorKind::format, name + ", line " + std::to_string(number) +
                                  " begins no message: it must be JSON, or text with \"User:\", "
                                  "\"Assistant:\" or \"System:\" in front of each message");
    }
  }
  for (tokenizer::Message& message : out) message.content = clean_utf8(trim(message.content));
  return out;
}

}  // namespace

std::string clean_utf8(std::string_view text) {
  const std::string spelled = json(text).dump(-1, ' ', false, json::error_handler_t::replace);
  return json::parse(spelled).get<std::string>();
}

std::vector<tokenizer::Message> parse_dialog(std::string_view text, const std::string& name) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  const std::string_view body = trim(text);
  const bool is_json = !body.empty() && (body.front() == '{' || body.front() == '[');
  // Leading blank lines stay, so that line numbers are right.
  Messages messages = is_json ? parse_json(text, name) : parse_plain(text, name);
  if (messages.empty()) fail(ErrorKind::format, name + " holds no message");
  return messages;
}

std::vector<tokenizer::Message> read_dialog(const std::filesystem::path& file) {
  return parse_dialog(read_file(file), file.string());
}

size_t known_messages(const std::vector<membank::Turn>& turns,
                      const std::vector<tokenizer::Message>& dialog) {
  const bool skip =
      !turns.empty() && turns[0].role == "system" && !dialog.empty() && dialog[0].role != "system";
  const size_t first = skip ? 1 : 0;
  const size_t count = std::min(turns.size() - first, dialog.size());
  for (size_t i = 0; i < count; ++i) {
    const membank::Turn& turn = turns[first + i];
    if (turn.role != dialog[i].role || turn.content != dialog[i].content) return 0;
  }
  return count;
}

}  // namespace memlong::tools
