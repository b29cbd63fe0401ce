#include "server/json_body.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/json_depth.h"

namespace memlong::server {

using nlohmann::json;

namespace {

[[noreturn]] void wrong(const char* name, const std::string& wanted) {
  fail(ErrorKind::format, "'" + std::string(name) + "' must be " + wanted);
}

const json* find(const json& body, const char* name) {
  const auto found = body.find(name);
  return found == body.end() || found->is_null() ? nullptr : &*found;
}

std::string number_text(double value) {
  return std::abs(value) < 1e15 && value == std::floor(value)
             ? std::to_string(static_cast<int64_t>(value))
             : json(value).dump();
}

}  // namespace

json parse_body(std::string_view body) {
  check_json_depth(body, "the request");
  json value;
  try {
    value = json::parse(body);
  } catch (const json::exception& error) {
    const std::string what = error.what();
    const size_t reason = what.find("] ");
    fail(ErrorKind::format, "the request is no JSON: " +
                                (reason == std::string::npos ? what : what.substr(reason + 2)));
  }
  if (!value.is_object()) fail(ErrorKind::format, "the request must be a JSON object");
  return value;
}

std::optional<std::string> string_field(const json& body, const char* name) {
  const json* value = find(body, name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) wrong(name, "a string");
  return value->get<std::string>();
}

std::optional<bool> bool_field(const json& body, const char* name) {
  const json* value = find(body, name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) wrong(name, "true or false");
  return value->get<bool>();
}

std::optional<double> number_field(const json& body, const char* name, double low, double high) {
  const json* value = find(body, name);
  if (value == nullptr) return std::nullopt;
  const double number = value->is_number() ? value->get<double>() : low - 1;
  if (!(number >= low && number <= high)) {
    wrong(name, "a number from " + number_text(low) + " to " + number_text(high));
  }
  return number;
}

std::optional<int64_t> integer_field(const json& body, const char* name, int64_t low,
                                     int64_t high) {
  const json* value = find(body, name);
  if (value == nullptr) return std::nullopt;
  const std::string wanted =
      "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
  if (value->is_number_float()) {  // 4.0, as some clients write it
    const auto number = value->get<double>();
    constexpr double kExact = 9007199254740992.0;  // 2^53
    if (number != std::floor(number) || std::abs(number) > kExact) wrong(name, wanted);
    if (number < static_cast<double>(low) || number > static_cast<double>(high))
      wrong(name, wanted);
    return static_cast<int64_t>(number);
  }
  if (value->is_number_unsigned()) {  // may be more than an int64_t holds
    if (value->get<uint64_t>() > static_cast<uint64_t>(std::max<int64_t>(high, 0)))
      wrong(name, wanted);
  } else if (!value->is_number_integer()) {
    wrong(name, wanted);
  }
  const auto number = value->get<int64_t>();
  if (number < low || number > high) wrong(name, wanted);
  return number;
}

std::string text_field(const json& body, const char* name) {
  std::string text = string_field(body, name).value_or("");
  if (text.empty()) wrong(name, "a string that is not empty");
  return text;
}

std::string dump(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

http::Response json_response(const nlohmann::ordered_json& value, int status) {
  http::Response response;
  response.status = status;
  response.body = dump(value);
  return response;
}

}  // namespace memlong::server
