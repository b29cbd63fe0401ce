// Line charts as SVG, legible on light and on dark ground.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace memlong::train_tool {

struct Line {
  size_t colour = 0;    ///< of the run; kColours there are
  bool dashed = false;  ///< "without memory"
  bool faint = false;   ///< behind the others, and without a say in the range of the axis
  bool marks = false;   ///< a dot at each point
  std::vector<std::pair<double, double>> points;  ///< by x; y not finite: left out
};

enum class AxisKind : uint8_t { linear, logarithmic, percent };

struct Panel {
  std::string title;
  AxisKind axis = AxisKind::linear;
  std::vector<Line> lines;
};

inline constexpr size_t kColours = 8;

/// Values of ticks for a linear axis: 1, 2 or 5 times a power of ten apart, inside [low, high].
std::vector<double> linear_ticks(double low, double high, int most);

/// Two panels a row, x ("step") the same for all. `names`: of the runs, colour 0 first.
std::string draw_chart(const std::vector<std::string>& names, const std::vector<Panel>& panels);

}  // namespace memlong::train_tool
