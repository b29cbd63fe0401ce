#include "tools/memlong-eval/recall_dialogs.h"

#include "common/error.h"
#include "engine/ingest_rows.h"
#include "engine/ingest_sources.h"
#include "engine/json_line.h"

namespace memlong::eval_tool {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& what) { fail(ErrorKind::format, what); }

const json& list_of(const json& row, const char* key) {
  const auto found = row.find(key);
  if (found == row.end() || !found->is_array()) refuse(std::string("no list \"") + key + "\"");
  return *found;
}

std::string string_of(const json& item, const char* key, const char* what) {
  const auto found = item.is_object() ? item.find(key) : item.end();
  if (found == item.end() || !found->is_string()) {
    refuse(std::string(what) + " without a string \"" + key + "\"");
  }
  return found->get<std::string>();
}

/// The number of a turn; nothing where there is none, or null.
std::optional<size_t> turn_of(const json& probe, const char* key) {
  const auto found = probe.find(key);
  if (found == probe.end() || found->is_null()) return std::nullopt;
  if (!found->is_number_unsigned()) {
    refuse(std::string("a probe whose \"") + key + "\" is no number of a turn");
  }
  return found->get<size_t>();
}

void add_turn(const json& item, const engine::LoadedModel& model, RecallDialog& dialog) {
  const tokenizer::Message message{.role = string_of(item, "role", "a turn"),
                                   .content = string_of(item, "content", "a turn")};
  const std::string previous = dialog.turns.empty() ? "" : dialog.turns.back().role;
  const tokenizer::EncodedMessage encoded =
      model.chat->encode(message, dialog.turns.size(), previous);
  const auto begin = static_cast<int64_t>(dialog.ids.size());
  dialog.ids.insert(dialog.ids.end(), encoded.ids.begin(), encoded.ids.end());
  dialog.turns.push_back({.role = message.role,
                          .content = message.content,
                          .begin = begin,
                          .end = static_cast<int64_t>(dialog.ids.size()),
                          .content_begin = begin + static_cast<int64_t>(encoded.content_begin),
                          .content_end = begin + static_cast<int64_t>(encoded.content_end)});
}

void add_probe(const json& item, RecallDialog& dialog) {
  Probe probe{.answer = string_of(item, "answer", "a probe"),
              .fact_turn = turn_of(item, "fact_turn")};
  probe.turn = turn_of(item, "turn").value_or(0);
  const bool good = probe.turn > 0 && probe.turn < dialog.turns.size() &&
                    dialog.turns[probe.turn].role == "assistant" &&
                    probe.fact_turn.value_or(0) < probe.turn;
  if (!good) refuse("a probe that names no answer of the dialog");
  dialog.probes.push_back(std::move(probe));
}

RecallDialog parse_dialog(const json& row, const engine::LoadedModel& model) {
  if (!row.is_object()) refuse("not a JSON object");
  RecallDialog dialog;
  dialog.ids = model.chat->opening();
  if (model.settings.window_bos) std::erase(dialog.ids, model.config.bos);
  for (const json& item : list_of(row, "turns")) add_turn(item, model, dialog);
  if (dialog.turns.empty()) refuse("no turn in it");
  for (const json& item : list_of(row, "probes")) add_probe(item, dialog);
  return dialog;
}

}  // namespace

std::vector<RecallDialog> read_recall_dialogs(const std::filesystem::path& path, int64_t limit,
                                              const engine::LoadedModel& model) {
  const std::string name = path.string();
  std::string place = name;
  std::vector<RecallDialog> dialogs;
  try {
    engine::SourceFile file(
        {.kind = engine::SourceKind::json_lines, .path = path, .name = name, .bytes = 0});
    engine::LineReader lines(file.open());
    for (std::string line; lines.next(line);) {
      if (limit > 0 && static_cast<int64_t>(dialogs.size()) == limit) break;
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      place = name + ":" + std::to_string(lines.number());
      if (lines.too_long()) refuse("the line is too long");
      dialogs.push_back(parse_dialog(engine::parse_json_line(line), model));
      dialogs.back().file = path.filename().string();
      dialogs.back().number = lines.number() - 1;
    }
    place = name;
    if (dialogs.empty()) refuse("no line holds a dialog");
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::io || error.kind() == ErrorKind::internal) throw;
    fail(error.kind(), place + ": " + error.what());
  }
  return dialogs;
}

}  // namespace memlong::eval_tool
