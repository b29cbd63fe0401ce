// Data small enough to know every token of.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/loaded_model.h"
#include "support/paths.h"
#include "train/corpus.h"

namespace memlong::train::test {

/// Of the reference model only what turns text into tokens; no weights.
inline std::shared_ptr<engine::LoadedModel> text_model() {
  const std::string folder = memlong::test::source_dir() + "/models/reference";
  auto model = std::make_shared<engine::LoadedModel>();
  model->config = model::load_config(folder);
  model->settings = model::find_settings(folder, model->config, {});
  model->settings.window = 512;
  model->settings.overlap = 128;
  model->tokens = tokenizer::load_tokenizer(folder);
  model->chat = tokenizer::make_chat_template("memlong", model->tokens);
  return model;
}

/// A text whose token at place i is first + i.
inline Document counted_text(int32_t first, int64_t size) {
  Document document;
  for (int64_t i = 0; i < size; ++i) document.ids.push_back(first + static_cast<int32_t>(i));
  return document;
}

/// A dialog of `turns` turns of `length` tokens, user and assistant by turns; tokens as above. Each
/// answer's first token is the mark that opens it.
inline Document counted_dialog(int32_t first, int64_t turns, int64_t length) {
  Document document = counted_text(first, turns * length);
  for (int64_t turn = 0; turn < turns; ++turn) {
    const int64_t begin = turn * length;
    document.turns.push_back(begin);
    document.kinds.resize(static_cast<size_t>(begin + length), TokenKind::user);
    if (turn % 2 == 0) continue;
    std::fill(document.kinds.begin() + begin + 1, document.kinds.end(), TokenKind::assistant);
    document.spans.push_back({.from = begin - length,
                              .begin = begin,
                              .end = begin + length,
                              .query_begin = begin - length,
                              .query_end = begin,
                              .query = {}});
  }
  return document;
}

inline CorpusEntry entry_of(DataKind kind, std::vector<Document> documents, double weight = 1.0) {
  CorpusEntry entry;
  entry.data = {.kind = kind, .path = "data", .weight = weight};
  entry.documents = std::move(documents);
  for (const Document& document : entry.documents) entry.tokens += document.size();
  return entry;
}

inline std::shared_ptr<const Corpus> corpus_of(std::vector<CorpusEntry> entries) {
  auto corpus = std::make_shared<Corpus>();
  corpus->entries = std::move(entries);
  corpus->hash = "made by hand";
  return corpus;
}

}  // namespace memlong::train::test
