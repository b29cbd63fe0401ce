#include <algorithm>

#include <nlohmann/json.hpp>

#include "engine/ingest_rows.h"
#include "engine/ingest_text.h"
#include "fuzz/target.h"
#include "fuzz/targets.h"
#include "support/temp_folder.h"
#include "tools/common/text.h"
#include "tools/memlong-chat/dialog_file.h"
#include "tools/memlong-eval/recall_dialogs.h"
#include "train/small_corpus.h"

namespace memlong::fuzz {
namespace {

using nlohmann::json;
using Messages = std::vector<tokenizer::Message>;

/// The input in small blocks, as a slow pipe gives it.
engine::ReadBlock blocks(std::string_view input, size_t most) {
  return [input, most](char* to, size_t size) mutable {
    const size_t count = std::min({size, most, input.size()});
    input.copy(to, count);
    input.remove_prefix(count);
    return count;
  };
}

bool is_text(std::string_view input, size_t block) {
  return accepted({ErrorKind::format}, [&] {
    engine::TextCheck check;
    for (size_t at = 0; at < input.size(); at += block) check.feed(input.substr(at, block));
    check.finish();
  });
}

/// What ingest does with a file of text.
void check_text(std::string_view input) {
  const bool text = is_text(input, input.size() + 1);
  require(is_text(input, input.size() % 7 + 1) == text, "text or not depends on the blocks");
  const bool blank = input.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
  const bool good = is_utf8(input) && input.find('\0') == std::string_view::npos && !blank;
  require(text == good, "what is text and what is UTF-8 differ");
  engine::PieceReader pieces(blocks(input, input.size() % 5 + 1));
  std::string all;
  while (const auto piece = pieces.next()) {
    require(!piece->empty() && piece->size() <= engine::kPieceBytes, "a piece without bounds");
    require(!text || is_utf8(*piece), "a character was cut");
    all += *piece;
  }
  require(all == (input.starts_with("\xEF\xBB\xBF") ? input.substr(3) : input), "text was lost");
  const std::string shown = tools::escape_terminal(input);
  require(is_utf8(shown) && tools::escape_terminal(shown) == shown &&
              std::none_of(shown.begin(), shown.end(), [](char c) { return c >= 0 && c < 0x20; }),
          "something reaches the terminal as it is");
}

std::vector<std::string> lines_of(std::string_view input) {
  engine::LineReader reader(blocks(input, input.size() % 11 + 1));
  std::vector<std::string> lines;
  int64_t bytes = 0;
  for (std::string line; reader.next(line); bytes += reader.line_bytes()) lines.push_back(line);
  require(bytes == static_cast<int64_t>(input.size()), "bytes of lines were lost");
  require(reader.number() == static_cast<int64_t>(lines.size()), "lines are not counted");
  return lines;
}

void check_row(const std::string& line) {
  accepted({ErrorKind::format}, [&] {
    const engine::Row row = engine::parse_row(line, {});
    require(is_utf8(row.text) && is_utf8(row.name) && is_utf8(row.name_space), "a row is no text");
  });
}

/// memlong-chat --dialog
void check_chat(std::string_view input) {
  Messages messages;
  const bool read =
      accepted({ErrorKind::format}, [&] { messages = tools::parse_dialog(input, "dialog"); });
  if (!read) return;
  require(!messages.empty(), "a dialog without a message");
  json turns = json::array();
  std::vector<membank::Turn> held;
  for (const auto& [role, content] : messages) {
    require(role == "system" || role == "user" || role == "assistant", "an unknown role");
    require(is_utf8(content), "a message is no text");
    turns.push_back({{"role", role}, {"content", content}});
    held.push_back({.role = role, .content = content});
  }
  const Messages again = tools::parse_dialog(json{{"turns", turns}}.dump(), "again");
  const auto same = [](const auto& a, const auto& b) {
    return a.role == b.role && a.content == b.content;
  };
  require(std::equal(messages.begin(), messages.end(), again.begin(), again.end(), same),
          "a dialog changed");
  require(tools::known_messages(held, messages) == messages.size(),
          "a dialog does not know itself");
}

const engine::LoadedModel& model() {
  static const auto loaded = train::test::text_model();
  return *loaded;
}

/// A line of the data of memlong-train.
void check_training(const std::string& line) {
  accepted({ErrorKind::format}, [&] {
    const train::Document document = train::parse_dialog(line, model());
    const int64_t size = document.size();
    require(document.kinds.size() == document.ids.size(), "a kind for every token");
    require(std::is_sorted(document.turns.begin(), document.turns.end()) &&
                document.turns.back() < size,
            "turns out of order");
    require(document.later >= -1 && document.later < size, "the later part begins nowhere");
    int64_t end = 0;
    for (const train::ProbedAnswer& answer : document.answers) {
      require(answer.begin >= end && answer.end > answer.begin && answer.end <= size &&
                  answer.fact < answer.begin,
              "answers that are not sorted and disjoint");
      end = answer.end;
    }
    for (const engine::AnswerSpan& span : document.spans) {
      require(span.query_begin >= 0 && span.query_begin < span.query_end &&
                  span.query_end <= span.begin + 1 && span.end <= size &&
                  (span.from == span.query_begin || span.from == span.begin),
              "an answer before its question");
    }
  });
}

/// memlong-eval recall
void check_recall(std::string_view input) {
  static const test::TempFolder folder;
  const std::string path = folder.write("recall.jsonl", std::string(input));
  accepted({ErrorKind::format}, [&] {
    for (const auto& dialog : eval_tool::read_recall_dialogs(path, 0, model())) {
      for (const membank::Turn& turn : dialog.turns) {
        require(turn.begin <= turn.content_begin && turn.content_begin <= turn.content_end &&
                    turn.content_end <= turn.end &&
                    turn.end <= static_cast<int64_t>(dialog.ids.size()),
                "a turn beyond its dialog");
      }
      for (const eval_tool::Probe& probe : dialog.probes) {
        require(probe.turn < dialog.turns.size() && probe.fact_turn.value_or(0) < probe.turn,
                "a probe beyond its dialog");
      }
    }
  });
}

}  // namespace

void dialogs(std::string_view input) {
  check_text(input);
  check_chat(input);
  for (const std::string& line : lines_of(input)) {
    check_row(line);
    check_training(line);
  }
  check_recall(input);
}

}  // namespace memlong::fuzz
