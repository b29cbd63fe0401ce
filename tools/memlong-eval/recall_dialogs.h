// Dialogs with questions whose answers are known.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/loaded_model.h"
#include "membank/types.h"

namespace memlong::eval_tool {

struct Probe {
  size_t turn = 0;                  ///< the answer's turn
  std::string answer;               ///< must appear in it
  std::optional<size_t> fact_turn;  ///< where it was said; none: never
};

/// A dialog in tokens, spelled as the model's chat template does.
struct RecallDialog {
  std::string file;
  int64_t number = 0;  ///< in the file, from 0
  std::vector<int32_t> ids;
  std::vector<membank::Turn> turns;
  std::vector<Probe> probes;
};

/// Errors: io; format, naming file and line.
std::vector<RecallDialog> read_recall_dialogs(const std::filesystem::path& path, int64_t limit,
                                              const engine::LoadedModel& model);

}  // namespace memlong::eval_tool
