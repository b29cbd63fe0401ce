#include <algorithm>
#include <utility>

#include "tools/common/text.h"

namespace memlong::tools {
namespace {

std::string padded(const std::string& cell, size_t width, bool right) {
  const size_t used = display_width(cell);
  const std::string fill(width > used ? width - used : 0, ' ');
  return right ? fill + cell : cell + fill;
}

}  // namespace

Table::Table(const std::vector<std::string>& headings) {
  for (const std::string& heading : headings) {
    const bool right = heading.starts_with('>');
    headings_.push_back(right ? heading.substr(1) : heading);
    right_.push_back(right);
  }
}

void Table::row(std::vector<std::string> cells) {
  cells.resize(headings_.size());
  rows_.push_back(std::move(cells));
}

std::vector<size_t> Table::widths() const {
  std::vector<size_t> widths;
  for (size_t c = 0; c < headings_.size(); ++c) {
    widths.push_back(display_width(headings_[c]));
    for (const auto& row : rows_) widths[c] = std::max(widths[c], display_width(row[c]));
  }
  return widths;
}

std::string Table::text() const {
  const std::vector<size_t> width = widths();
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string made;
    for (size_t c = 0; c < cells.size(); ++c) {
      made += (c == 0 ? "" : "  ") + padded(cells[c], width[c], right_[c]);
    }
    made.erase(made.find_last_not_of(' ') + 1);
    out += made + "\n";
  };
  line(headings_);
  for (const auto& row : rows_) line(row);
  return out;
}

std::string Table::markdown() const {
  const std::vector<size_t> width = widths();
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    for (size_t c = 0; c < cells.size(); ++c) {
      out += (c == 0 ? "| " : " | ") + padded(cells[c], width[c], right_[c]);
    }
    out += " |\n";
  };
  line(headings_);
  for (size_t c = 0; c < headings_.size(); ++c) {
    out += (c == 0 ? "|" : "") + std::string(width[c] + 1, '-') + (right_[c] ? ":|" : "-|");
  }
  out += "\n";
  for (const auto& row : rows_) line(row);
  return out;
}

std::string key_values(const std::vector<std::pair<std::string, std::string>>& rows) {
  size_t width = 0;
  for (const auto& [key, value] : rows) width = std::max(width, display_width(key));
  std::string out;
  for (const auto& [key, value] : rows) out += padded(key + ":", width + 3, false) + value + "\n";
  return out;
}

}  // namespace memlong::tools
