#include "tools/memlong-eval/recall_run.h"

#include <algorithm>

#include "common/error.h"
#include "engine/answer_spans.h"
#include "engine/dialog_memory.h"
#include "ops/top_k.h"
#include "tools/memlong-eval/scores.h"
#include "tools/memlong-eval/text_memory.h"

namespace memlong::eval_tool {
namespace {

using Ids = std::vector<int32_t>;

/// The user's message before a turn; the turn itself where there is none.
size_t asked_before(const RecallDialog& dialog, size_t turn) {
  for (size_t i = turn; i > 0; --i) {
    if (dialog.turns[i - 1].role == "user") return i - 1;
  }
  return turn;
}

Outcome start_outcome(const RecallDialog& dialog, const Probe& probe) {
  const membank::Turn& answer = dialog.turns[probe.turn];
  Outcome outcome;
  outcome.dialog = &dialog;
  outcome.probe = &probe;
  outcome.answer_begin = answer.begin;
  outcome.answer_end = answer.end;
  outcome.asked = probe.fact_turn.has_value();
  if (outcome.asked) outcome.distance = answer.begin - dialog.turns[*probe.fact_turn].begin;
  outcome.wanted.assign(dialog.ids.begin() + answer.content_begin, dialog.ids.begin() + answer.end);
  return outcome;
}

void note_retrieved(const engine::RetrievedSet* set, int64_t window_start, int64_t chunk,
                    Outcome& outcome) {
  outcome.window_start = window_start;
  if (set != nullptr) outcome.set = set->chunks;
  if (!outcome.asked) return;
  const membank::Turn& fact = outcome.dialog->turns[*outcome.probe->fact_turn];
  const int64_t first = fact.begin / chunk;
  const int64_t last = (fact.end - 1) / chunk;
  outcome.retrieved = fact.begin >= window_start;
  for (const engine::RetrievedChunk& found : outcome.set) {
    if (found.begin / chunk >= first && found.begin / chunk <= last) outcome.retrieved = true;
  }
}

/// Where a template has no mark for answers, the token before opens one (as for a session): its
/// logits give the first of the answer.
int64_t lent_marks(const membank::Turn& answer) {
  return answer.content_begin > answer.begin ? 0 : 1;
}

/// Takes the likeliest ids and the log-probability of rows [T, V] that predict `wanted`.
void add_rows(const TensorView& rows, std::span<const int32_t> wanted, Outcome& outcome) {
  const std::vector<int32_t> likeliest = argmax_rows(rows);
  outcome.argmax.insert(outcome.argmax.end(), likeliest.begin(), likeliest.end());
  outcome.log_probability += log_probability(rows, wanted);
}

/// Reads the true answer turn but for its last token, and judges every prediction.
void judge(engine::Stream& stream, int64_t chunk, Outcome& outcome) {
  const membank::Turn& answer = outcome.dialog->turns[outcome.probe->turn];
  std::shared_ptr<const engine::RetrievedSet> set;
  int64_t window_start = stream.window_start();
  stream.on_segment([&](const engine::SegmentRecord& segment) {
    if (segment.position > answer.begin) return;
    set = segment.set;
    window_start = segment.window_start;
  });
  const Ids& ids = outcome.dialog->ids;
  const std::span wanted(outcome.wanted);
  const auto lent = static_cast<size_t>(lent_marks(answer));
  if (lent > 0) {
    stream.read_last_again();
    add_rows(stream.logits().reshape({1, stream.logits().dim(0)}), wanted.first(lent), outcome);
  }
  const Ids turn(ids.begin() + answer.begin, ids.begin() + answer.end - 1);
  stream.read(turn, engine::Want::all);
  stream.on_segment({});
  note_retrieved(set.get(), window_start, chunk, outcome);
  if (!turn.empty()) {
    const int64_t first = lent > 0 ? 0 : answer.content_begin - answer.begin - 1;
    add_rows(stream.logits().slice(0, first, stream.logits().dim(0)), wanted.subspan(lent),
             outcome);
  }
  outcome.exact = outcome.argmax == outcome.wanted;
}

bool contains_answer(const engine::LoadedModel& model, const Ids& ids, const Outcome& outcome) {
  return model.tokens->decode(ids).find(outcome.probe->answer) != std::string::npos;
}

class Questions {
 public:
  Questions(Context& context, const std::shared_ptr<const engine::LoadedModel>& model,
            const std::shared_ptr<const retriever::Embedder>& embedder, const RecallDialog& dialog,
            const RecallOptions& options, const std::vector<engine::EncodedChunk>& chunks)
      : context_(context),
        model_(model),
        embedder_(embedder),
        dialog_(dialog),
        options_(options),
        memory_(context, model, chunks),
        spans_(engine::answer_spans(dialog.turns)) {}

  Outcome ask(const Probe& probe) {
    Outcome outcome = start_outcome(dialog_, probe);
    const int64_t lent = lent_marks(dialog_.turns[probe.turn]);
    if (outcome.answer_end - outcome.answer_begin + lent > model_->window_capacity()) {
      fail(ErrorKind::format, "an answer of " +
                                  std::to_string(outcome.answer_end - outcome.answer_begin) +
                                  " tokens fits into no window; try --protocol session");
    }
    if (options_.dense) memory_.choose(Choice::all, 0);
    memory_.hand_over(0, 0);
    if (options_.oracle && outcome.asked) {
      const membank::Turn& fact = dialog_.turns[*probe.fact_turn];
      memory_.hand_over(fact.begin, fact.end);
    }
    const int64_t tau = model_->settings.chunk;
    const int64_t before = std::min<int64_t>(256, model_->window_capacity() - tau);
    const int64_t start = std::clamp<int64_t>((outcome.answer_end - before) / tau * tau, 0,
                                              outcome.answer_begin - lent);
    {
      const auto stream = open(start, outcome.answer_begin, probe);
      judge(*stream, tau, outcome);
    }
    if (outcome.exact || !options_.generate) {
      const Ids& said = outcome.exact ? outcome.wanted : outcome.argmax;
      outcome.contains = contains_answer(*model_, said, outcome);
    } else {
      const auto stream = open(start, outcome.answer_begin, probe);
      const int64_t content = dialog_.turns[probe.turn].content_begin;
      const int64_t room = start + model_->window_capacity() - content;
      outcome.contains = contains_answer(*model_, greedy(*stream, probe, room), outcome);
    }
    return outcome;
  }

 private:
  [[nodiscard]] Ids prefix(const Probe& probe) const {
    const membank::Turn& answer = dialog_.turns[probe.turn];
    return {dialog_.ids.begin() + answer.begin, dialog_.ids.begin() + answer.content_begin};
  }

  /// A stream that has read everything up to the answer, in one window.
  std::unique_ptr<engine::Stream> open(int64_t start, int64_t answer_begin, const Probe& probe) {
    auto stream = std::make_unique<engine::Stream>(
        context_, model_, embedder_, memory_,
        engine::StreamOptions{.use_memory = options_.use_memory, .first_window = start});
    const int64_t lent = lent_marks(dialog_.turns[probe.turn]);
    std::vector<engine::AnswerSpan> spans;
    for (const engine::AnswerSpan& span : spans_) {
      if (span.begin < answer_begin - lent) spans.push_back(span);
    }
    stream->restore({dialog_.ids.begin(), dialog_.ids.begin() + answer_begin}, std::move(spans),
                    answer_begin);
    const size_t asked = asked_before(dialog_, probe.turn);
    if (asked == probe.turn) return stream;  // nobody asked: it is not its own question
    stream->begin_answer(dialog_.turns[asked].begin, dialog_.turns[asked].end, lent);
    return stream;
  }

  /// At most `room` tokens, as the window does not move on.
  Ids greedy(engine::Stream& stream, const Probe& probe, int64_t room) {
    const auto longest = static_cast<size_t>(std::min<int64_t>(64, room));
    const Ids stop = model_->chat->stop_ids();
    Context host({.threads = context_.threads()});
    if (const Ids mark = prefix(probe); mark.empty()) {
      stream.read_last_again();
    } else {
      stream.read(mark, engine::Want::last);
    }
    Ids ids;
    while (ids.size() < longest) {
      const auto id = static_cast<int32_t>(ops::argmax(host, stream.logits()));
      if (std::find(stop.begin(), stop.end(), id) != stop.end()) break;
      ids.push_back(id);
      if (ids.size() < longest) stream.read(std::span(&id, 1), engine::Want::last);
    }
    return ids;
  }

  Context& context_;
  const std::shared_ptr<const engine::LoadedModel>& model_;
  const std::shared_ptr<const retriever::Embedder>& embedder_;
  const RecallDialog& dialog_;
  const RecallOptions& options_;
  TextMemory memory_;
  std::vector<engine::AnswerSpan> spans_;
};

}  // namespace

std::vector<Outcome> ask_questions(Context& context,
                                   const std::shared_ptr<const engine::LoadedModel>& model,
                                   const std::shared_ptr<const retriever::Embedder>& embedder,
                                   const RecallDialog& dialog, const RecallOptions& options,
                                   const Tick& tick) {
  const auto chunks = encode_text(context, model, embedder, dialog.ids, tick);
  Questions questions(context, model, embedder, dialog, options, chunks);
  std::vector<Outcome> outcomes;
  for (const Probe& probe : dialog.probes) {
    outcomes.push_back(questions.ask(probe));
    tick(static_cast<int64_t>(dialog.ids.size()));
  }
  return outcomes;
}

std::vector<Outcome> read_session(Context& context,
                                  const std::shared_ptr<const engine::LoadedModel>& model,
                                  const std::shared_ptr<const retriever::Embedder>& embedder,
                                  const RecallDialog& dialog, const RecallOptions& options,
                                  const Tick& tick) {
  engine::DialogMemory memory(context, model, nullptr, {});
  engine::Stream stream(context, model, embedder, memory, {.use_memory = options.use_memory});
  std::vector<Outcome> outcomes;
  const auto place = [&dialog](int64_t at) { return dialog.ids.begin() + at; };
  const auto read = [&](int64_t begin, int64_t end) { stream.read(Ids(place(begin), place(end))); };
  read(0, dialog.turns.empty() ? 0 : dialog.turns.front().begin);
  for (size_t t = 0; t < dialog.turns.size(); ++t) {
    const membank::Turn& turn = dialog.turns[t];
    if (turn.role == "user") stream.end_answer();
    if (turn.role == "assistant" && asked_before(dialog, t) != t) {
      const membank::Turn& question = dialog.turns[asked_before(dialog, t)];
      stream.begin_answer(question.begin, question.end, lent_marks(turn));
    }
    const auto probe = std::find_if(dialog.probes.begin(), dialog.probes.end(),
                                    [t](const Probe& candidate) { return candidate.turn == t; });
    if (probe == dialog.probes.end()) {
      read(turn.begin, turn.end);
    } else {
      Outcome outcome = start_outcome(dialog, *probe);
      judge(stream, model->settings.chunk, outcome);
      outcome.contains = contains_answer(*model, outcome.argmax, outcome);
      read(turn.end - 1, turn.end);
      outcomes.push_back(std::move(outcome));
    }
    tick(turn.end);
  }
  return outcomes;
}

}  // namespace memlong::eval_tool
