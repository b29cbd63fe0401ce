#include "train/data_options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include "common/error.h"

namespace memlong::train {
namespace {

/// The whole of `text` as a number.
template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string spelled(double value) {
  char buffer[32];
  const auto end = std::to_chars(std::begin(buffer), std::end(buffer), value).ptr;
  return {std::begin(buffer), end};
}

/// Beyond the limit a value would no longer be a whole number of anything.
bool is_count(double value) { return std::isfinite(value) && value >= 0.0 && value <= 1e15; }

bool smaller_value(const std::pair<int64_t, double>& a, const std::pair<int64_t, double>& b) {
  return a.second < b.second;
}

}  // namespace

Schedule Schedule::parse(const std::string& text) {
  const auto refuse = [&text] {
    fail(ErrorKind::usage, "'" + text +
                               "' is no schedule: one value, or STEP:VALUE,... with rising steps "
                               "from 0 and no negative value");
  };
  if (const auto value = number<double>(text)) {
    if (!is_count(*value)) refuse();
    return Schedule(*value);
  }
  Schedule schedule;
  schedule.entries_.clear();
  std::string_view rest = text;
  while (true) {
    const std::string_view item = rest.substr(0, rest.find(','));
    const size_t colon = item.find(':');
    if (colon == std::string_view::npos) refuse();
    const auto step = number<int64_t>(item.substr(0, colon));
    const auto value = number<double>(item.substr(colon + 1));
    const int64_t least = schedule.entries_.empty() ? 0 : schedule.entries_.back().first + 1;
    if (!step || !value || !is_count(*value) || *step < least) refuse();
    if (schedule.entries_.empty() && *step != 0) refuse();
    schedule.entries_.emplace_back(*step, *value);
    if (item.size() == rest.size()) return schedule;
    rest.remove_prefix(item.size() + 1);
  }
}

double Schedule::at(int64_t step) const {
  double value = entries_.front().second;
  for (const auto& [from, entry] : entries_) {
    if (from <= step) value = entry;
  }
  return value;
}

int64_t Schedule::count_at(int64_t step) const { return std::llround(at(step)); }

double Schedule::largest() const {
  return std::max_element(entries_.begin(), entries_.end(), smaller_value)->second;
}

double Schedule::smallest() const {
  return std::min_element(entries_.begin(), entries_.end(), smaller_value)->second;
}

std::string Schedule::text() const {
  if (entries_.size() == 1) return spelled(entries_.front().second);
  std::string text;
  for (const auto& [step, value] : entries_) {
    if (!text.empty()) text += ',';
    text += std::to_string(step) + ':' + spelled(value);
  }
  return text;
}

DataEntry DataEntry::parse(const std::string& text) {
  const auto refuse = [&text](const std::string& why) {
    fail(ErrorKind::usage, "data '" + text + "': " + why);
  };
  DataEntry entry;
  const size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  if (kind == "text") {
    entry.kind = DataKind::text;
  } else if (kind == "jsonl") {
    entry.kind = DataKind::jsonl_text;
  } else if (kind == "dialogs") {
    entry.kind = DataKind::dialogs;
  } else {
    refuse("must be KIND:PATH or KIND:PATH:WEIGHT with KIND text, jsonl or dialogs");
  }
  std::string path = colon == std::string::npos ? "" : text.substr(colon + 1);
  if (const size_t last = path.rfind(':'); last != std::string::npos) {
    if (const auto weight = number<double>(std::string_view(path).substr(last + 1))) {
      if (!is_count(*weight) || *weight == 0.0) refuse("the weight must be above 0");
      entry.weight = *weight;
      path.resize(last);
    }
  }
  if (path.empty()) refuse("names no path");
  entry.path = path;
  return entry;
}

}  // namespace memlong::train
