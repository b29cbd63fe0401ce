// Well-known model shapes, for figures without the weights.
#pragma once

#include <string>
#include <vector>

#include "model/config.h"

namespace memlong::bench_tool {

std::vector<std::string> shape_names();
/// Errors: usage.
model::ModelConfig shape_config(const std::string& name);

}  // namespace memlong::bench_tool
