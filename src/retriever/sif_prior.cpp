// What the `sif` embedder takes a language for where there is no text of it.
#include <algorithm>
#include <map>
#include <numeric>
#include <string>

#include "common/utf8.h"
#include "retriever/embedder.h"
#include "retriever/sif_rows.h"
#include "retriever/unit_vector.h"

namespace memlong::retriever {
namespace {

constexpr double kOffset = 10.0;      ///< p ~ 1 / (place + offset)
constexpr size_t kLikeliest = 16384;  ///< tokens that the component is made of

enum class Kind : uint8_t {
  merged,     ///< of several characters; numbered in the order in which pairs were merged
  character,  ///< first (bytes of a byte-level vocabulary) or last (sentencepiece), by frequency
  rest        ///< special, no text, bytes that are no character, or that a character stands for
};

bool is_control(unsigned char byte) {
  return byte == 0x7F || (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r');
}

Kind kind_of(const tokenizer::Tokenizer& tokens, int32_t id, const std::string& bytes) {
  if (id >= tokens.vocab_size() || tokens.is_special(id) || bytes.empty()) return Kind::rest;
  std::string pending = bytes;
  const std::string characters = take_characters(pending);
  if (!pending.empty() || characters != bytes) return Kind::rest;
  const auto starts =
      std::count_if(bytes.begin(), bytes.end(), [](char byte) { return (byte & 0xC0) != 0x80; });
  if (starts > 1) return Kind::merged;
  return is_control(static_cast<unsigned char>(bytes.front())) ? Kind::rest : Kind::character;
}

}  // namespace

std::vector<float> prior_probability(const tokenizer::Tokenizer& tokens, int64_t vocab) {
  std::vector<Kind> kinds(static_cast<size_t>(vocab), Kind::rest);
  std::map<std::string, size_t> characters;  // the last token of each
  for (size_t i = 0; i < kinds.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    const std::string bytes = tokens.piece_bytes(id);
    kinds[i] = kind_of(tokens, id, bytes);
    if (kinds[i] != Kind::character) continue;
    // Of two that give the same character the first is a byte that is there in case.
    const auto [found, fresh] = characters.try_emplace(bytes, i);
    if (fresh) continue;
    kinds[found->second] = Kind::rest;
    found->second = i;
  }
  std::vector<double> shares(kinds.size(), 0.0);
  double places[] = {0.0, 0.0};
  double sum = 0.0;
  double least = 1.0;
  for (size_t i = 0; i < kinds.size(); ++i) {
    if (kinds[i] == Kind::rest) continue;
    double& place = places[static_cast<size_t>(kinds[i])];
    shares[i] = 1.0 / (place + kOffset);
    place += 1.0;
    sum += shares[i];
    least = std::min(least, shares[i]);
  }
  std::vector<float> probability(kinds.size());
  for (size_t i = 0; i < kinds.size(); ++i) {
    const double share = kinds[i] == Kind::rest ? least : shares[i];
    probability[i] = static_cast<float>(sum > 0.0 ? share / sum : 1.0 / static_cast<double>(vocab));
  }
  return probability;
}

std::vector<float> prior_component(const TensorView& table, std::span<const float> probability) {
  const SifRows rows(table, probability, SifParameters().a);
  std::vector<int32_t> order(probability.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::ranges::greater(),
                           [&](int32_t id) { return probability[static_cast<size_t>(id)]; });
  order.resize(std::min(order.size(), kLikeliest));
  const auto width = static_cast<size_t>(table.dim(1));
  std::vector<double> mean(width, 0.0);
  std::vector<float> row(width);
  for (const int32_t id : order) {
    rows.read(id, row);
    const double share = probability[static_cast<size_t>(id)];
    for (size_t i = 0; i < width; ++i) mean[i] += share * row[i];
  }
  std::vector<float> component(width, 0.0F);
  write_unit(mean, 0.0, component);
  return component;
}

}  // namespace memlong::retriever
