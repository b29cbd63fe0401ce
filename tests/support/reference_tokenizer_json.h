// The reference model's tokenizer.model as a tokenizer.json.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "tokenizer/spm_model.h"

namespace memlong::test {

/// `model`: the bytes of tokenizer.model. Its pieces in order, and a merge for each way in which a
/// piece comes from two others, in the order of what they make: the same ids.
inline nlohmann::json reference_tokenizer_json(const std::string& model) {
  using nlohmann::json;
  using tokenizer::PieceType;
  json vocab = json::object();
  json merges = json::array();
  json added = json::array();
  const auto pieces = tokenizer::parse_spm(model, "tokenizer.model").pieces;
  for (size_t id = 0; id < pieces.size(); ++id) vocab[pieces[id].text] = id;
  for (size_t id = 0; id < pieces.size(); ++id) {
    const auto& [text, type] = pieces[id];
    if (type != PieceType::normal) {
      const json token = {{"id", id}, {"content", text}, {"special", true}};
      if (type != PieceType::byte) added.push_back(token);
      continue;
    }
    for (size_t cut = 1; cut < text.size(); ++cut) {
      const std::string left = text.substr(0, cut);
      const std::string right = text.substr(cut);
      if (vocab.contains(left) && vocab.contains(right)) merges.push_back({left, right});
    }
  }
  const json space = {{"String", " "}};
  const json begin = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}};
  return {{"added_tokens", added},
          {"normalizer", {{"type", "Replace"}, {"pattern", space}, {"content", "\u2581"}}},
          {"pre_tokenizer", nullptr},
          {"post_processor", {{"type", "TemplateProcessing"}, {"single", {begin}}}},
          {"decoder", {{"type", "ByteFallback"}}},
          {"model",
           {{"type", "BPE"},
            {"unk_token", "<unk>"},
            {"byte_fallback", true},
            {"vocab", vocab},
            {"merges", merges}}}};
}

}  // namespace memlong::test
