#include "tools/memlong-eval/recall_dialogs.h"

#include <fstream>

#include <nlohmann/json.hpp>

#include "common/error.h"

namespace memlong::eval_tool {
namespace {

RecallDialog parse_dialog(const nlohmann::json& json, const engine::LoadedModel& model) {
  RecallDialog dialog;
  dialog.ids = model.chat->opening();
  if (model.settings.window_bos) std::erase(dialog.ids, model.config.bos);
  for (const auto& item : json.at("turns")) {
    const tokenizer::Message message{.role = item.at("role"), .content = item.at("content")};
    const tokenizer::EncodedMessage encoded = model.chat->encode(message, dialog.turns.size());
    const auto begin = static_cast<int64_t>(dialog.ids.size());
    dialog.ids.insert(dialog.ids.end(), encoded.ids.begin(), encoded.ids.end());
    dialog.turns.push_back({.role = message.role,
                            .content = message.content,
                            .begin = begin,
                            .end = static_cast<int64_t>(dialog.ids.size()),
                            .content_begin = begin + static_cast<int64_t>(encoded.content_begin),
                            .content_end = begin + static_cast<int64_t>(encoded.content_end)});
  }
  for (const auto& item : json.at("probes")) {
    Probe probe{.turn = item.at("turn"), .answer = item.at("answer"), .fact_turn = {}};
    if (const auto fact = item.find("fact_turn"); fact != item.end() && !fact->is_null()) {
      probe.fact_turn = fact->get<size_t>();
    }
    const bool good = probe.turn > 0 && probe.turn < dialog.turns.size() &&
                      dialog.turns[probe.turn].role == "assistant" &&
                      probe.fact_turn.value_or(0) < probe.turn;
    if (!good) fail(ErrorKind::format, "a probe that names no answer of the dialog");
    dialog.probes.push_back(std::move(probe));
  }
  return dialog;
}

}  // namespace

std::vector<RecallDialog> read_recall_dialogs(const std::filesystem::path& path, int64_t limit,
                                              const engine::LoadedModel& model) {
  std::ifstream file(path);
  if (!file) fail_errno("cannot open", path.string());
  std::vector<RecallDialog> dialogs;
  int64_t number = 0;
  for (std::string line; std::getline(file, line); ++number) {
    if (limit > 0 && static_cast<int64_t>(dialogs.size()) == limit) break;
    if (line.empty()) continue;
    const std::string place = path.string() + ":" + std::to_string(number + 1) + ": ";
    try {
      dialogs.push_back(parse_dialog(nlohmann::json::parse(line), model));
    } catch (const nlohmann::json::exception& error) {
      fail(ErrorKind::format, place + error.what());
    } catch (const Error& error) {
      fail(error.kind(), place + error.what());
    }
    dialogs.back().file = path.filename().string();
    dialogs.back().number = number;
  }
  return dialogs;
}

}  // namespace memlong::eval_tool
