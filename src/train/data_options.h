// What the data of a run are and how items are cut from them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace memlong::train {

/// A value that changes with the step: the last entry whose step has come. "0:0,400:2,900:6".
class Schedule {
 public:
  Schedule() = default;
  explicit Schedule(double constant) : entries_{{0, constant}} {}
  /// "VALUE" or "STEP:VALUE,..."; steps rise from 0, values are not negative. Errors: usage, naming
  /// the text.
  static Schedule parse(const std::string& text);
  [[nodiscard]] double at(int64_t step) const;
  [[nodiscard]] int64_t count_at(int64_t step) const;  ///< at(), as a whole number
  [[nodiscard]] double largest() const;
  [[nodiscard]] double smallest() const;
  [[nodiscard]] std::string text() const;  ///< what parse() reads

 private:
  std::vector<std::pair<int64_t, double>> entries_{{0, 0.0}};
};

enum class DataKind : uint8_t {
  text,        ///< text files: one, or all *.txt below a folder
  jsonl_text,  ///< JSON lines with a "text" field
  dialogs      ///< JSON lines: {"messages": [{"role", "content"}...]}, or the recall form
               ///< {"turns": [...], "probes": [{"turn", "answer", "fact_turn"}...], "later": n,
               ///< "topics": ["..."...]}; all but the messages may be missing
};

/// "KIND:PATH[:WEIGHT]" with KIND text, jsonl or dialogs.
struct DataEntry {
  DataKind kind = DataKind::text;
  std::filesystem::path path;
  double weight = 1.0;                              ///< items (streams: rows) in proportion
  static DataEntry parse(const std::string& text);  ///< Errors: usage
};

enum class ItemForm : uint8_t {
  plain,   ///< spans of text or dialogs, no memory
  pairs,   ///< stage 1: a past and a later span of the same document, memory with gradient
  streams  ///< stage 2: rows walk documents window by window, memory constant
};

/// Loss weights of tokens, by what they are.
struct TokenWeights {
  double text = 1.0;       ///< of documents
  double user = 1.0;       ///< turns of user and system, and the marks that open an answer
  double assistant = 1.0;  ///< turns of the assistant: content and what closes it
  double answer = 1.0;     ///< in a turn that a probe names, the tokens of its answer string; what
                           ///< the assistant says in it, where the probe gives no string
  double reply = -1.0;     ///< the rest of that turn and what closes it; negative: as assistant
};

struct DataOptions {
  ItemForm form = ItemForm::plain;
  std::vector<DataEntry> entries;
  TokenWeights weights;
  int64_t rows = 16;            ///< B: sequences of a batch
  Schedule span{256};           ///< plain, pairs: tokens of the later span, at most
  Schedule past{256};           ///< pairs: tokens of the past, at most
  Schedule gap{0};              ///< pairs of text: up to so many tokens between them
  Schedule distractors{0};      ///< pairs: pasts of other items; streams: chunks of
                                ///< other rows
  Schedule no_memory{0};        ///< share of items that read no memory at all
  Schedule memory_chunks{0};    ///< streams: only the newest n chunks are searched; 0: all
  int64_t stretch = 0;          ///< streams: a row walks at most so many tokens of a text, from
                                ///< a random place on; 0: the whole text. Dialogs: always whole
  bool random_position = true;  ///< pairs, plain: spans start at a random position
  uint64_t seed = 1;
};

}  // namespace memlong::train
