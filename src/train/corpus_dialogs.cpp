// Dialogs from lines of JSON.
#include <algorithm>

#include "common/error.h"
#include "engine/answer_spans.h"
#include "engine/json_line.h"
#include "train/corpus.h"

namespace memlong::train {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& what) { fail(ErrorKind::format, what); }

const json& messages_of(const json& row) {
  if (!row.is_object()) refuse("not a JSON object");
  for (const char* key : {"turns", "messages"}) {
    const auto found = row.find(key);
    if (found == row.end()) continue;
    if (!found->is_array() || found->empty()) {
      refuse(std::string("\"") + key + "\" is no list of messages");
    }
    return *found;
  }
  refuse("neither \"messages\" nor \"turns\"");
}

std::string string_of(const json& message, const char* key, size_t index) {
  const auto found = message.is_object() ? message.find(key) : message.end();
  if (found == message.end() || !found->is_string()) {
    refuse("message " + std::to_string(index) + " has no string \"" + key + "\"");
  }
  return found->get<std::string>();
}

/// A whole number under `key` in [least, beyond); -1 where it is missing or null.
int64_t index_of(const json& row, const char* key, int64_t least, int64_t beyond) {
  const auto found = row.find(key);
  if (found == row.end() || found->is_null()) return -1;
  const int64_t value = found->is_number_integer() ? found->get<int64_t>() : -1;
  if (value < least || value >= beyond) {
    refuse(std::string("\"") + key + "\" must be a number of a turn from " + std::to_string(least) +
           " to " + std::to_string(beyond - 1));
  }
  return value;
}

class DialogParser {
 public:
  explicit DialogParser(const engine::LoadedModel& model) : model_(model) {}

  Document parse(const json& row) {
    add_opening();
    const json& messages = messages_of(row);
    for (size_t i = 0; i < messages.size(); ++i) {
      add_message({string_of(messages[i], "role", i), string_of(messages[i], "content", i)});
    }
    document_.spans = engine::answer_spans(turns_);
    add_probes(row);
    add_topics(row);
    const auto count = static_cast<int64_t>(turns_.size());
    const int64_t later = index_of(row, "later", 1, count);
    if (later >= 0) document_.later = turn(later).begin;
    return std::move(document_);
  }

 private:
  [[nodiscard]] const membank::Turn& turn(int64_t index) const {
    return turns_[static_cast<size_t>(index)];
  }

  void add_opening() {
    document_.ids = model_.chat->opening();
    if (model_.settings.window_bos) std::erase(document_.ids, model_.config.bos);
    document_.kinds.assign(document_.ids.size(), TokenKind::user);
  }

  void add_message(const tokenizer::Message& message) {
    const std::string previous = turns_.empty() ? "" : turns_.back().role;
    const tokenizer::EncodedMessage encoded = model_.chat->encode(message, turns_.size(), previous);
    const int64_t begin = document_.size();
    document_.ids.insert(document_.ids.end(), encoded.ids.begin(), encoded.ids.end());
    turns_.push_back({.role = message.role,
                      .content = message.content,
                      .begin = begin,
                      .end = document_.size(),
                      .content_begin = begin + static_cast<int64_t>(encoded.content_begin),
                      .content_end = begin + static_cast<int64_t>(encoded.content_end)});
    document_.turns.push_back(begin);
    document_.kinds.resize(document_.ids.size(), TokenKind::user);
    if (message.role != "assistant") return;
    std::fill(document_.kinds.begin() + turns_.back().content_begin, document_.kinds.end(),
              TokenKind::assistant);
  }

  void add_probes(const json& row) {
    const auto probes = row.find("probes");
    if (probes == row.end()) return;
    if (!probes->is_array()) refuse("\"probes\" is no list");
    for (const json& probe : *probes) add_probe(probe);
    auto& answers = document_.answers;
    std::sort(answers.begin(), answers.end(),
              [](const auto& a, const auto& b) { return a.begin < b.begin; });
    const auto same =
        std::adjacent_find(answers.begin(), answers.end(),
                           [](const auto& a, const auto& b) { return a.begin == b.begin; });
    if (same != answers.end()) refuse("two probes name the same answer");
  }

  void add_probe(const json& probe) {
    if (!probe.is_object()) refuse("a probe that is no JSON object");
    const auto count = static_cast<int64_t>(turns_.size());
    const int64_t index = index_of(probe, "turn", 0, count);
    if (index < 1 || turn(index).role != "assistant") {
      refuse("a probe that names no answer of the dialog");
    }
    const membank::Turn& answer = turn(index);
    ProbedAnswer probed{.begin = answer.content_begin, .end = answer.end};
    const int64_t fact = index_of(probe, "fact_turn", 0, index);
    if (fact >= 0) probed.fact = turn(fact).begin;
    const bool unsaid = probe.contains("fact_turn") && fact < 0;
    probed.kind = unsaid ? AnswerKind::unsaid : AnswerKind::told;
    document_.answers.push_back(probed);
    const auto text = probe.find("answer");
    if (text != probe.end() && !text->is_string()) refuse("a probe whose \"answer\" is no string");
    mark(answer, text == probe.end() ? "" : text->get<std::string>());
  }

  /// The tokens that spell `text` where the content names it last; all of the content where it is
  /// empty or not there.
  void mark(const membank::Turn& answer, const std::string& text) {
    const auto kind = [this](int64_t token) { return document_.kinds.begin() + token; };
    std::fill(kind(answer.content_begin), kind(answer.end), TokenKind::reply);
    std::string spelled;
    std::vector<size_t> ends;
    for (int64_t at = answer.content_begin; at < answer.content_end; ++at) {
      spelled += model_.tokens->piece_bytes(document_.ids[static_cast<size_t>(at)]);
      ends.push_back(spelled.size());
    }
    const size_t found = text.empty() ? std::string::npos : spelled.rfind(text);
    const size_t begin = found == std::string::npos ? 0 : found;
    const size_t end = found == std::string::npos ? spelled.size() : found + text.size();
    for (size_t i = 0; i < ends.size(); ++i) {
      const size_t from = i == 0 ? 0 : ends[i - 1];
      if (ends[i] <= begin || from >= end) continue;
      *kind(answer.content_begin + static_cast<int64_t>(i)) = TokenKind::answer;
    }
  }

  void add_topics(const json& row) {
    const auto topics = row.find("topics");
    if (topics == row.end()) return;
    if (!topics->is_array()) refuse("\"topics\" is no list of strings");
    for (const json& topic : *topics) {
      if (!topic.is_string()) refuse("\"topics\" is no list of strings");
      document_.topics.push_back(topic.get<std::string>());
    }
    std::sort(document_.topics.begin(), document_.topics.end());
  }

  const engine::LoadedModel& model_;
  Document document_;
  std::vector<membank::Turn> turns_;
};

}  // namespace

Document parse_dialog(std::string_view line, const engine::LoadedModel& model) {
  return DialogParser(model).parse(engine::parse_json_line(line));
}

}  // namespace memlong::train
