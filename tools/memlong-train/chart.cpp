#include "tools/memlong-train/chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "tools/common/text.h"

namespace memlong::train_tool {
namespace {

constexpr double kPanelWidth = 500;
constexpr double kPanelHeight = 270;
constexpr double kLeft = 58;  ///< room for labels of the y axis
constexpr double kRight = 18;
constexpr double kTop = 34;
constexpr double kBottom = 40;
constexpr double kLegendRow = 22;
constexpr size_t kMostPoints = 1200;

/// On light and on dark ground; told apart with the common kinds of colour blindness.
constexpr std::array<std::pair<const char*, const char*>, kColours> kPalette = {
    {{"#0072b2", "#4aa8e0"},
     {"#d55e00", "#f08a3c"},
     {"#00866a", "#2fc09a"},
     {"#a3478f", "#dd8fc4"},
     {"#8a6d00", "#e3c044"},
     {"#5b4fc4", "#a59bf5"},
     {"#555555", "#bbbbbb"},
     {"#b3243b", "#f2788c"}}};

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f", value);
  return text;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : tools::escape_terminal(text)) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else {
      out += c;
    }
  }
  return out;
}

struct Range {
  double low = 0;
  double high = 1;
};

/// Where values come to lie in a panel.
struct Scale {
  Range x;
  Range y;
  AxisKind kind = AxisKind::linear;

  [[nodiscard]] double at_x(double value) const {
    return kLeft + (value - x.low) / (x.high - x.low) * (kPanelWidth - kLeft - kRight);
  }
  [[nodiscard]] double at_y(double value) const {
    const bool log = kind == AxisKind::logarithmic;
    const double low = log ? std::log(y.low) : y.low;
    const double high = log ? std::log(y.high) : y.high;
    const double share = ((log ? std::log(std::max(value, 1e-300)) : value) - low) / (high - low);
    return kPanelHeight - kBottom - share * (kPanelHeight - kTop - kBottom);
  }
};

Range range_of_x(const std::vector<Panel>& panels) {
  Range range{.low = 0, .high = 1};
  for (const Panel& panel : panels) {
    for (const Line& line : panel.lines) {
      for (const auto& [x, y] : line.points) range.high = std::max(range.high, x);
    }
  }
  return range;
}

Range range_of_y(const Panel& panel) {
  if (panel.axis == AxisKind::percent) return {.low = 0, .high = 1};
  Range range{.low = INFINITY, .high = -INFINITY};
  for (const Line& line : panel.lines) {
    if (line.faint) continue;
    for (const auto& [x, y] : line.points) {
      if (!std::isfinite(y)) continue;
      range.low = std::min(range.low, y);
      range.high = std::max(range.high, y);
    }
  }
  if (!(range.low <= range.high)) return {.low = 1, .high = 2};
  if (panel.axis == AxisKind::logarithmic) {
    range.low = std::max(range.low, 1e-6);
    return {.low = range.low / 1.05, .high = std::max(range.high, range.low) * 1.05};
  }
  const double room = std::max(0.05 * (range.high - range.low), 1e-3 * std::fabs(range.high));
  return {.low = range.low - room, .high = range.high + std::max(room, 1e-9)};
}

/// 1, 2 and 5 times powers of ten, with 3 and 7 on short axes; linear ones where too few fit.
std::vector<double> log_ticks(double low, double high) {
  std::vector<double> ticks;
  for (double power = std::pow(10, std::floor(std::log10(low))); power <= high; power *= 10) {
    for (const double factor : {1.0, 2.0, 3.0, 5.0, 7.0}) {
      if ((factor == 3.0 || factor == 7.0) && high > 20 * low) continue;
      if (power * factor >= low && power * factor <= high) ticks.push_back(power * factor);
    }
  }
  return ticks.size() >= 3 ? ticks : linear_ticks(low, high, 5);
}

std::string tick_label(double value, AxisKind kind) {
  if (kind == AxisKind::percent) return tools::fixed(100 * value, 0) + " %";
  if (std::fabs(value) >= 1000) return tools::human_count(value);
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", value);
  return text;
}

std::string text_at(double x, double y, const char* style, const std::string& text) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" class=\"" + style + "\">" +
         escaped(text) + "</text>\n";
}

std::string rule(double x1, double y1, double x2, double y2, const std::string& style) {
  return "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) +
         "\" y2=\"" + number(y2) + "\" class=\"" + style + "\"/>\n";
}

std::string axes(const Scale& scale) {
  std::string out;
  const double bottom = kPanelHeight - kBottom;
  const auto ticks = scale.kind == AxisKind::logarithmic
                         ? log_ticks(scale.y.low, scale.y.high)
                         : linear_ticks(scale.y.low, scale.y.high, 6);
  for (const double tick : ticks) {
    const double y = scale.at_y(tick);
    out += rule(kLeft, y, kPanelWidth - kRight, y, "grid");
    out += text_at(kLeft - 6, y + 4, "tick end", tick_label(tick, scale.kind));
  }
  out += rule(kLeft, bottom, kPanelWidth - kRight, bottom, "axis");
  for (const double tick : linear_ticks(scale.x.low, scale.x.high, 6)) {
    out += rule(scale.at_x(tick), bottom, scale.at_x(tick), bottom + 4, "axis");
    out +=
        text_at(scale.at_x(tick), bottom + 17, "tick middle", tick_label(tick, AxisKind::linear));
  }
  return out + text_at(kPanelWidth - kRight, kPanelHeight - 6, "tick end", "step");
}

std::string curve(const Line& line, const Scale& scale) {
  const size_t stride = line.points.size() / kMostPoints + 1;
  std::string path;
  std::string dots;
  const std::string colour = "c" + std::to_string(line.colour % kColours);
  for (size_t i = 0; i < line.points.size(); ++i) {
    if (i % stride != 0 && i + 1 != line.points.size()) continue;
    const auto& [x, y] = line.points[i];
    if (!std::isfinite(y)) continue;
    const std::string px = number(scale.at_x(x));
    const std::string py = number(scale.at_y(y));
    path += (path.empty() ? "M" : "L") + px + " " + py;
    if (line.marks) {
      dots +=
          "<circle cx=\"" + px + "\" cy=\"" + py + "\" r=\"2.6\" class=\"dot " + colour + "\"/>\n";
    }
  }
  if (path.empty()) return "";
  return "<path d=\"" + path + "\" class=\"line " + colour + (line.dashed ? " dashed" : "") +
         (line.faint ? " faint" : "") + "\"/>\n" + dots;
}

std::string draw_panel(const Panel& panel, const Range& x, double left, double top) {
  const Scale scale{.x = x, .y = range_of_y(panel), .kind = panel.axis};
  std::string out = "<g transform=\"translate(" + number(left) + " " + number(top) + ")\">\n";
  out += text_at(kLeft, 20, "title", panel.title);
  out += axes(scale);
  out += "<g clip-path=\"url(#inside)\">\n";
  for (const bool faint : {true, false}) {
    for (const Line& line : panel.lines) {
      if (line.faint == faint) out += curve(line, scale);
    }
  }
  return out + "</g>\n</g>\n";
}

std::string style() {
  std::string light;
  std::string dark;
  for (size_t i = 0; i < kColours; ++i) {
    const std::string name = std::to_string(i);
    const auto rules = [&name](const std::string& colour) {
      return ".c" + name + "{stroke:" + colour + "}.dot.c" + name + "{fill:" + colour + "}";
    };
    light += rules(kPalette[i].first);
    dark += rules(kPalette[i].second);
  }
  return "<style>\n"
         "text{font-family:system-ui,'DejaVu Sans',sans-serif;font-size:12px;fill:#333}\n"
         ".title{font-size:13px;font-weight:600;fill:#111}.tick{font-size:11px;fill:#555}\n"
         ".end{text-anchor:end}.middle{text-anchor:middle}\n"
         ".ground{fill:#fff}.grid{stroke:#e4e4e4}.axis{stroke:#888}\n"
         ".line{fill:none;stroke-width:1.8;stroke-linejoin:round}\n"
         ".dashed{stroke-dasharray:6 4}.faint{stroke-width:1;opacity:.28}.dot{stroke:none}\n"
         ".key{stroke:#555;stroke-width:1.8}\n" +
         light +
         "\n@media (prefers-color-scheme:dark){\n"
         "text{fill:#d0d0d0}.title{fill:#f4f4f4}.tick{fill:#a8a8a8}\n"
         ".ground{fill:#16181c}.grid{stroke:#30343a}.axis{stroke:#7a7f87}.key{stroke:#a8a8a8}\n" +
         dark + "\n}\n</style>\n";
}

/// Names of the runs, one a row, and what a dash means.
std::string legend(const std::vector<std::string>& names, bool dashes) {
  std::string out;
  double y = 20;
  for (size_t i = 0; i < names.size(); ++i, y += kLegendRow) {
    out += rule(kLeft, y, kLeft + 28, y, "line c" + std::to_string(i % kColours));
    out += text_at(kLeft + 36, y + 4, "name", names[i]);
  }
  if (!dashes) return out;
  const double x = kPanelWidth + kLeft;
  out += rule(x, 20, x + 28, 20, "key") + text_at(x + 36, 24, "name", "with memory");
  out += rule(x + 150, 20, x + 178, 20, "key dashed");
  return out + text_at(x + 186, 24, "name", "without memory");
}

}  // namespace

std::vector<double> linear_ticks(double low, double high, int most) {
  const double rough = (high - low) / most;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * (1 - 1e-9)) {
      step = factor * power;
      break;
    }
  }
  std::vector<double> ticks;
  const auto first = static_cast<int64_t>(std::ceil(low / step - 1e-9));
  const auto last = static_cast<int64_t>(std::floor(high / step + 1e-9));
  for (int64_t i = first; i <= last; ++i) ticks.push_back(static_cast<double>(i) * step);
  return ticks;
}

std::string draw_chart(const std::vector<std::string>& names, const std::vector<Panel>& panels) {
  bool dashes = false;
  for (const Panel& panel : panels) {
    for (const Line& line : panel.lines) dashes = dashes || line.dashed;
  }
  const double head = 16 + kLegendRow * static_cast<double>(std::max<size_t>(names.size(), 1));
  const double columns = dashes || panels.size() > 1 ? 2 : 1;
  const double width = columns * kPanelWidth;
  const auto count = static_cast<double>(panels.size());
  const double height = head + std::ceil(count / columns) * kPanelHeight;
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(width) +
                    " " + number(height) + "\" width=\"" + number(width) + "\" height=\"" +
                    number(height) + "\" role=\"img\">\n<title>Learning curves</title>\n" +
                    style() + "<clipPath id=\"inside\"><rect x=\"" + number(kLeft) + "\" y=\"" +
                    number(kTop - 4) + "\" width=\"" + number(kPanelWidth - kLeft - kRight + 4) +
                    "\" height=\"" + number(kPanelHeight - kTop - kBottom + 8) +
                    "\"/></clipPath>\n<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n" +
                    legend(names, dashes);
  const Range x = range_of_x(panels);
  for (size_t i = 0; i < panels.size(); ++i) {
    const auto column = static_cast<double>(i % static_cast<size_t>(columns));
    const auto row = static_cast<double>(i / static_cast<size_t>(columns));
    out += draw_panel(panels[i], x, column * kPanelWidth, head + row * kPanelHeight);
  }
  return out + "</svg>\n";
}

}  // namespace memlong::train_tool
