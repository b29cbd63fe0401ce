#include "model/json_fields.h"

#include <cmath>
#include <cstdio>
#include <set>

#include "common/error.h"
#include "common/json_depth.h"

namespace memlong::model {
namespace {

using nlohmann::json;

/// A value as it may stand in a message: short, on one line.
std::string shown(const json& value) {
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

std::string plain(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g", value);
  return text;
}

}  // namespace

bool JsonFields::has(const std::string& key) const {
  const auto found = object_.find(key);
  return found != object_.end() && !found->is_null();
}

const json& JsonFields::at(const std::string& key) const {
  if (!has(key)) refuse(key, "is missing");
  return *object_.find(key);
}

int64_t JsonFields::whole(const json& value, const std::string& key, int64_t low,
                          int64_t high) const {
  if (!value.is_number_integer()) refuse(key, "is " + shown(value) + ", not a whole number");
  const bool too_big = value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX};
  const int64_t number = too_big ? INT64_MAX : value.get<int64_t>();
  if (too_big || number < low || number > high) {
    refuse(key, "is " + shown(value) + "; it must be from " + std::to_string(low) + " to " +
                    std::to_string(high));
  }
  return number;
}

int64_t JsonFields::integer(const std::string& key, int64_t low, int64_t high) const {
  return whole(at(key), key, low, high);
}

int64_t JsonFields::integer_or(const std::string& key, int64_t low, int64_t high,
                               int64_t otherwise) const {
  return has(key) ? integer(key, low, high) : otherwise;
}

double JsonFields::number_or(const std::string& key, double low, double high,
                             double otherwise) const {
  if (!has(key)) return otherwise;
  const json& value = at(key);
  if (!value.is_number()) refuse(key, "is " + shown(value) + ", not a number");
  const auto number = value.get<double>();
  if (!std::isfinite(number) || number < low || number > high) {
    refuse(key, "is " + shown(value) + "; it must be from " + plain(low) + " to " + plain(high));
  }
  return number;
}

bool JsonFields::flag_or(const std::string& key, bool otherwise) const {
  if (!has(key)) return otherwise;
  if (!at(key).is_boolean()) refuse(key, "is " + shown(at(key)) + ", not true or false");
  return at(key).get<bool>();
}

std::string JsonFields::text_or(const std::string& key, const std::string& otherwise) const {
  if (!has(key)) return otherwise;
  if (!at(key).is_string()) refuse(key, "is " + shown(at(key)) + ", not a string");
  return at(key).get<std::string>();
}

std::vector<int32_t> JsonFields::ids(const std::string& key, int64_t low, int64_t high) const {
  std::vector<int32_t> all;
  if (!has(key)) return all;
  const json& value = at(key);
  if (!value.is_array()) return {static_cast<int32_t>(whole(value, key, low, high))};
  for (const json& item : value) all.push_back(static_cast<int32_t>(whole(item, key, low, high)));
  return all;
}

void JsonFields::refuse(const std::string& key, const std::string& what) const {
  fail(ErrorKind::config, origin_ + ": " + key + " " + what);
}

json parse_json_object(std::string_view text, const std::string& origin, bool unique) {
  check_json_depth(text, origin);
  std::vector<std::set<std::string>> seen;  // the keys of every object that is open
  const auto watch = [&](int /*depth*/, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) seen.emplace_back();
    if (event == json::parse_event_t::object_end) seen.pop_back();
    if (event == json::parse_event_t::key &&
        !seen.back().insert(parsed.get<std::string>()).second) {
      fail(ErrorKind::format, origin + ": " + shown(parsed) + " stands in it twice");
    }
    return true;
  };
  json root;
  try {
    root = unique ? json::parse(text.begin(), text.end(), watch)
                  : json::parse(text.begin(), text.end());
  } catch (const json::parse_error& error) {
    fail(ErrorKind::format,
         origin + " is not valid JSON (at byte " + std::to_string(error.byte) + ")");
  } catch (const json::exception&) {  // a number that no double holds
    fail(ErrorKind::format, origin + " is not valid JSON (a number is out of range)");
  }
  if (!root.is_object()) fail(ErrorKind::format, origin + " is not a JSON object");
  return root;
}

}  // namespace memlong::model
