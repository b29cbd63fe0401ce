// The data of a run in memory: documents as tokens, with what training has to know of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/answer_spans.h"
#include "engine/loaded_model.h"
#include "train/data_options.h"

namespace memlong::train {

enum class TokenKind : uint8_t {
  text,
  user,
  assistant,
  answer,  ///< what a probe asks for
  reply    ///< the rest of the turn that answers a probe, and what closes it
};

/// What a probe asks for.
enum class AnswerKind : uint8_t {
  told,    ///< the dialog said before what is asked for
  unsaid,  ///< it never did, and the right answer says so
};

/// An answer that a probe names: tokens [begin, end) are its content and what closes it, all that
/// memlong-eval compares.
struct ProbedAnswer {
  int64_t begin = 0;
  int64_t end = 0;
  AnswerKind kind = AnswerKind::told;
  int64_t fact = -1;  ///< where the turn begins that told it; -1: not known
};

/// A text, or a dialog as the model's chat template spells it; with BOS in front where the
/// tokenizer adds one and windows do not open with it. As in use (ingest, memlong-eval).
struct Document {
  std::string name;  ///< "file", or "file:line"
  std::vector<int32_t> ids;
  // Dialogs only:
  std::vector<TokenKind> kinds;           ///< of each token; empty: all text
  std::vector<int64_t> turns;             ///< where each turn begins
  std::vector<engine::AnswerSpan> spans;  ///< answers and the messages that asked for them
  std::vector<ProbedAnswer> answers;      ///< sorted, disjoint
  int64_t later = -1;                     ///< token at which the later part begins; -1: none
  std::vector<std::string> topics;        ///< sorted

  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(ids.size()); }
  [[nodiscard]] bool is_dialog() const { return !turns.empty(); }
  [[nodiscard]] TokenKind kind(int64_t token) const {
    return kinds.empty() ? TokenKind::text : kinds[static_cast<size_t>(token)];
  }
};

/// What one DataEntry gave.
struct CorpusEntry {
  DataEntry data;
  std::vector<Document> documents;
  int64_t tokens = 0;
};

/// Immutable and shared by several sources.
struct Corpus {
  std::vector<CorpusEntry> entries;
  std::string hash;  ///< hex SHA-256 of all tokens and of the bounds of documents, turns, answers
  [[nodiscard]] int64_t tokens() const;
};

/// Bytes of files that were read, of all; may throw to stop.
using ReadProgress = std::function<void(int64_t bytes, int64_t total)>;

/// Reads and tokenises everything, files of a folder by path. Uses the model's tokenizer, chat
/// template and settings alone. Texts of nothing but white space are left out, with one warning.
/// Errors: io; format, naming file and line; format, where an entry holds nothing else.
std::shared_ptr<const Corpus> read_corpus(const std::vector<DataEntry>& entries,
                                          const engine::LoadedModel& model,
                                          const ReadProgress& progress = {});

/// A dialog from a line of JSON (see DataKind::dialogs). Errors: format.
Document parse_dialog(std::string_view line, const engine::LoadedModel& model);

}  // namespace memlong::train
