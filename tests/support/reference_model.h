// The bundled reference model, loaded once for a test process, and dialogs to feed it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/loaded_model.h"
#include "support/paths.h"
#include "support/temp_folder.h"
#include "tensor/context.h"
#include "tokenizer/chat_template.h"

namespace memlong::test {

inline std::shared_ptr<const engine::LoadedModel> reference_model(Context& context, DType dtype) {
  static std::map<DType, std::shared_ptr<const engine::LoadedModel>> loaded;
  auto& model = loaded[dtype];
  if (model == nullptr) {
    model =
        engine::load_model(context, {.folder = source_dir() + "/models/reference", .dtype = dtype});
  }
  return model;
}

/// Small talk without facts, so that a dialog gets long: `count` exchanges.
inline std::vector<tokenizer::Message> small_talk(int count, int from = 0) {
  const std::vector<std::string> places = {"San Jose", "Berkeley", "Oakland", "Fresno", "Napa"};
  const std::vector<std::string> times = {"6 pm", "half past 11", "a quarter to 8", "noon"};
  std::vector<tokenizer::Message> messages;
  for (int i = from; i < from + count; ++i) {
    const std::string& place = places[static_cast<size_t>(i) % places.size()];
    const std::string& time = times[static_cast<size_t>(i) % times.size()];
    messages.push_back({"user", "Can you find me a restaurant in " + place + " for " + time +
                                    "? It is for " + std::to_string(2 + i % 7) + " people."});
    messages.push_back({"assistant", "I found a table in " + place + " at " + time +
                                         ". Shall I reserve it for you?"});
  }
  return messages;
}

using TemporaryFolder = TempFolder;

}  // namespace memlong::test
