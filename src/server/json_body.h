// The JSON of requests and answers. What reads a request names the field that is wrong.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "http/message.h"

namespace memlong::server {

/// An object. Errors: format, for what is no JSON object.
nlohmann::json parse_body(std::string_view body);

// The value of a field; nothing where it is missing or null. Errors: format, for another type or a
// number that is out of range.
std::optional<std::string> string_field(const nlohmann::json& body, const char* name);
std::optional<bool> bool_field(const nlohmann::json& body, const char* name);
std::optional<double> number_field(const nlohmann::json& body, const char* name, double low,
                                   double high);
std::optional<int64_t> integer_field(const nlohmann::json& body, const char* name, int64_t low,
                                     int64_t high);
/// The same, which must be there, and not empty.
std::string text_field(const nlohmann::json& body, const char* name);

/// Bytes that are no UTF-8 become U+FFFD. One line.
std::string dump(const nlohmann::ordered_json& value);
http::Response json_response(const nlohmann::ordered_json& value, int status = 200);

}  // namespace memlong::server
