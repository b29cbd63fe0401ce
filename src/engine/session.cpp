#include "engine/session.h"

#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "common/error.h"
#include "engine/answer_spans.h"
#include "engine/answer_text.h"
#include "engine/dialog_memory.h"
#include "engine/next_token.h"
#include "engine/session_store.h"
#include "engine/stream_batch.h"
#include "tokenizer/readable_text.h"

namespace memlong::engine {
namespace {

/// So many new chunks are kept without waiting for an answer.
constexpr size_t kPendingChunks = 64;
/// Messages are read once so many windows of them wait, at the latest with the answer.
constexpr int64_t kUnreadWindows = 4;

/// What stands behind the content of an answer.
tokenizer::Ids closing_of(const tokenizer::ChatTemplate& chat) {
  const tokenizer::EncodedMessage some = chat.encode({"assistant", "x"}, 1);
  return {some.ids.begin() + static_cast<std::ptrdiff_t>(some.content_end), some.ids.end()};
}

/// What is under way.
enum class Work : uint8_t {
  none,
  message,  ///< a long message is read
  prompt,   ///< what is to be answered is read
  tokens,   ///< the answer is made
};

}  // namespace

/// An answer that is being made.
struct Answering {
  GenerateOptions options;
  TextSink sink;
  AnswerText text;
  int64_t begin = 0;  ///< token
  int64_t content_begin = 0;
  Stopwatch watch = {};  ///< since the first token
};

class Session::Impl {
 public:
  Impl(Context& context, std::shared_ptr<const LoadedModel> model,
       std::shared_ptr<const retriever::Embedder> embedder, std::shared_ptr<Memory> memory,
       const SessionOptions& options);

  void begin_add(const tokenizer::Message& message);
  void begin_answer(const GenerateOptions& options, TextSink sink);
  bool step(int64_t most);
  void give_up();
  void save();

  /// The answer's next token, which the stream is to read; nothing: the answer has ended.
  std::optional<int32_t> draw();
  /// It was read.
  void took(int32_t id);
  [[nodiscard]] bool stop_asked() const {
    return options.stop != nullptr && options.stop->load(std::memory_order_relaxed);
  }
  /// A step has failed: the dialog stays one that can go on.
  void fail_step();

  Context& context;
  std::shared_ptr<const LoadedModel> model;
  std::shared_ptr<Memory> memory;
  SessionOptions options;
  DialogMemory dialog;
  Stream stream;
  SessionStore store;
  Work work = Work::none;
  Answer answer;  ///< that is being made, or was made last

 private:
  void open_dialog();
  void begin_turn(const std::string& role);
  void take(std::span<const int32_t> ids);
  void read_window(int64_t most);
  void take_back_message();
  void open_answer();
  void withdraw();
  void end_answer(StopReason reason);
  void close_answer();
  bool emit(std::string_view text);

  void note_set();

  std::mt19937_64 generator_;
  int64_t read_since_answer_ = 0;
  double seconds_since_answer_ = 0.0;
  int64_t saved_tokens_ = 0;
  bool spanned_ = false;  ///< the turn under way opened an answer span of the stream
  std::optional<Answering> answering_;
  std::shared_ptr<const RetrievedSet> noted_;  ///< the set that was noted last
};

Session::Impl::Impl(Context& given_context, std::shared_ptr<const LoadedModel> loaded,
                    std::shared_ptr<const retriever::Embedder> embedder,
                    std::shared_ptr<Memory> bank_memory, const SessionOptions& given)
    : context(given_context),
      model(std::move(loaded)),
      memory(std::move(bank_memory)),
      options(given),
      dialog(context, model, memory, options.scope, options.cached_chunks),
      stream(context, model, std::move(embedder), dialog,
             {.use_memory = options.use_memory,
              .kv_dtype = memory == nullptr ? DType::bf16 : memory->bank().fingerprint().kv_dtype}),
      store(memory, model, options),
      generator_(options.seed != 0 ? options.seed : std::random_device{}()) {
  if (std::optional<SavedDialog> saved = store.load()) {
    dialog.set_document(store.document());
    stream.restore(std::move(saved->tokens), answer_spans(store.turns()), saved->completed);
    saved_tokens_ = stream.size();
    if (options.read_at_once) stream.catch_up();
  }
}

/// For the network to read, with what follows.
void Session::Impl::take(std::span<const int32_t> ids) {
  stream.append(ids);
  read_since_answer_ += static_cast<int64_t>(ids.size());
}

void Session::Impl::read_window(int64_t most) {
  const Stopwatch watch;
  stream.read_window(most);
  seconds_since_answer_ += watch.seconds();
}

void Session::Impl::open_dialog() {
  if (stream.size() > 0) return;
  tokenizer::Ids opening = model->chat->opening();
  if (model->settings.window_bos) std::erase(opening, model->config.bos);
  take(opening);
}

/// Tells the stream who speaks next, for its queries.
void Session::Impl::begin_turn(const std::string& role) {
  spanned_ = false;
  if (role == "user") stream.end_answer();
  if (role != "assistant") return;
  const std::vector<membank::Turn>& turns = store.turns();
  const auto asked = std::find_if(turns.rbegin(), turns.rend(),
                                  [](const membank::Turn& turn) { return turn.role == "user"; });
  if (asked == turns.rend()) return;
  const bool marked = !model->chat->answer_prefix(turns.size()).empty();
  stream.begin_answer(asked->begin, asked->end, marked ? 0 : 1);
  spanned_ = true;
}

/// The message that was added last is no longer part of the dialog.
void Session::Impl::take_back_message() {
  const int64_t begin = store.turns().back().begin;
  store.drop_last_turn();
  read_since_answer_ -= stream.size() - begin;
  stream.drop_last(stream.size() - begin);
  if (spanned_) stream.withdraw_answer();
}

void Session::Impl::begin_add(const tokenizer::Message& message) {
  MEMLONG_CHECK(work == Work::none, "one thing at a time");
  const std::vector<membank::Turn>& turns = store.turns();
  const std::string previous = turns.empty() ? std::string() : turns.back().role;
  const tokenizer::EncodedMessage encoded = model->chat->encode(message, turns.size(), previous);
  open_dialog();
  begin_turn(message.role);
  const int64_t begin = stream.size();
  store.add_turn({.role = message.role,
                  .content = message.content,
                  .begin = begin,
                  .end = begin + static_cast<int64_t>(encoded.ids.size()),
                  .content_begin = begin + static_cast<int64_t>(encoded.content_begin),
                  .content_end = begin + static_cast<int64_t>(encoded.content_end),
                  .time = now_micros()});
  take(encoded.ids);
  if (stream.unread() > kUnreadWindows * model->window_capacity()) work = Work::message;
}

void Session::Impl::begin_answer(const GenerateOptions& wanted, TextSink sink) {
  MEMLONG_CHECK(work == Work::none, "one thing at a time");
  open_dialog();
  const tokenizer::Ids prefix = model->chat->answer_prefix(store.turns().size());
  const int64_t begin = stream.size();
  if (begin == 0 && prefix.empty()) fail(ErrorKind::usage, "there is no message to answer");
  begin_turn("assistant");
  std::vector<std::string> stops = model->chat->stop_texts();
  stops.insert(stops.end(), wanted.stop.begin(), wanted.stop.end());
  answering_.emplace(Answering{.options = wanted,
                               .sink = std::move(sink),
                               .text = AnswerText(model->tokens, std::move(stops)),
                               .begin = begin,
                               .content_begin = begin + static_cast<int64_t>(prefix.size())});
  answer = {};
  work = Work::prompt;
}

/// All that is to be answered was read.
void Session::Impl::open_answer() {
  work = Work::tokens;
  stream.measure_attention(answering_->options.measure_attention);
  if (answering_->options.seed != 0) generator_.seed(answering_->options.seed);
  const tokenizer::Ids prefix = model->chat->answer_prefix(store.turns().size());
  const Stopwatch watch;
  if (prefix.empty()) {
    stream.read_last_again();
  } else {
    stream.read(prefix, Want::last);
    read_since_answer_ += static_cast<int64_t>(prefix.size());
  }
  note_set();
  answer.prompt_tokens = std::exchange(read_since_answer_, 0);
  answer.prompt_seconds = std::exchange(seconds_since_answer_, 0.0) + watch.seconds();
  answering_->watch = {};
}

/// What the answer reads, where attention is not measured.
void Session::Impl::note_set() {
  const std::shared_ptr<const RetrievedSet>& set = stream.segment().set;
  if (set == nullptr || set == noted_) return;
  noted_ = set;
  for (const RetrievedChunk& chunk : set->chunks) {
    const auto known = std::ranges::find_if(answer.retrieved, [&](const RetrievedChunk& other) {
      return other.id == chunk.id && other.document == chunk.document && other.begin == chunk.begin;
    });
    if (known == answer.retrieved.end()) {
      answer.retrieved.push_back(chunk);
    } else {
      known->score = std::max(known->score, chunk.score);
    }
  }
}

bool Session::Impl::emit(std::string_view text) {
  answer.text += text;
  return text.empty() || !answering_->sink || answering_->sink(text);
}

std::optional<int32_t> Session::Impl::draw() {
  if (static_cast<int64_t>(answer.ids.size()) >= answering_->options.max_tokens) {
    end_answer(StopReason::length);
    return std::nullopt;
  }
  const int32_t id = next_token(context, stream, answering_->options.sampling, generator_);
  const tokenizer::Ids stop_ids = model->chat->stop_ids();
  if (std::find(stop_ids.begin(), stop_ids.end(), id) != stop_ids.end()) {
    end_answer(StopReason::end);
    return std::nullopt;
  }
  answer.ids.push_back(id);
  return id;
}

void Session::Impl::took(int32_t id) {
  note_set();
  const bool go_on = emit(answering_->text.push(id));
  if (answering_->text.stopped()) {
    // The mark that the model wrote is not part of what it said.
    const int64_t mark = answering_->text.tokens_behind(answer.text.size());
    stream.drop_last(mark);
    answer.ids.resize(answer.ids.size() - static_cast<size_t>(mark));
    end_answer(StopReason::stop_text);
  } else if (!go_on) {
    end_answer(StopReason::interrupted);
  }
}

void Session::Impl::end_answer(StopReason reason) {
  answer.reason = reason;
  if (reason == StopReason::interrupted) {
    answer.text += answering_->text.finish();
  } else if (reason != StopReason::stop_text) {
    emit(answering_->text.finish());
  }
  answer.seconds = answering_->watch.seconds();
  if (answering_->options.measure_attention) answer.retrieved = stream.measured();
  std::stable_sort(
      answer.retrieved.begin(), answer.retrieved.end(),
      [](const RetrievedChunk& a, const RetrievedChunk& b) { return a.score > b.score; });
  close_answer();
  save();
}

/// The answer becomes a turn as it stands.
void Session::Impl::close_answer() {
  work = Work::none;
  noted_ = nullptr;
  stream.measure_attention(false);
  const int64_t content_end = std::max(stream.size(), answering_->content_begin);
  stream.append(closing_of(*model->chat));
  store.add_turn({.role = "assistant",
                  .content = answer.text,
                  .begin = answering_->begin,
                  .end = stream.size(),
                  .content_begin = answering_->content_begin,
                  .content_end = content_end,
                  .time = now_micros()});
  answering_.reset();
}

bool Session::Impl::step(int64_t most) {
  try {
    if (work == Work::message) {
      read_window(most);
      if (stream.unread() == 0) work = Work::none;
    } else if (work == Work::prompt && stream.unread() > 0) {
      read_window(most);
    } else if (work == Work::prompt) {
      open_answer();
    } else if (work == Work::tokens) {
      if (const std::optional<int32_t> id = draw()) {
        stream.read(std::span(&*id, 1), Want::last);
        took(*id);
      }
    }
    // What was added since an answer is kept from time to time.
    if (work == Work::none && dialog.pending().size() >= kPendingChunks) save();
  } catch (...) {
    fail_step();
    throw;
  }
  return work != Work::none;
}

void Session::Impl::fail_step() {
  if (work == Work::tokens) close_answer();
  if (work == Work::prompt) withdraw();
  work = Work::none;
}

/// Of the answer nothing was made.
void Session::Impl::withdraw() {
  if (spanned_) stream.withdraw_answer();
  answering_.reset();
  answer.reason = StopReason::interrupted;
}

void Session::Impl::give_up() {
  if (work == Work::message) take_back_message();
  if (work == Work::prompt) withdraw();
  if (work == Work::tokens) end_answer(StopReason::interrupted);
  work = Work::none;
}

void Session::Impl::save() {
  if (!store.keeps() || stream.size() == saved_tokens_) return;
  const Stopwatch watch;
  stream.catch_up();
  seconds_since_answer_ += watch.seconds();
  store.save(dialog.pending(), std::span(stream.tokens()).subspan(stream.completed()));
  dialog.set_document(store.document());
  dialog.committed();
  saved_tokens_ = stream.size();
  store.retain();
}

Session::Session(Context& context, std::shared_ptr<const LoadedModel> model,
                 std::shared_ptr<const retriever::Embedder> embedder,
                 std::shared_ptr<Memory> memory, const SessionOptions& options)
    : impl_(std::make_unique<Impl>(context, std::move(model), std::move(embedder),
                                   std::move(memory), options)) {}
Session::~Session() = default;

void Session::add(const tokenizer::Message& message) {
  begin_add(message);
  while (busy()) {
    if (impl_->stop_asked()) {
      give_up();
      fail(ErrorKind::stopped, "stopped: the message was not taken in");
    }
    step();
  }
}

Answer Session::answer(const GenerateOptions& options, const TextSink& sink) {
  begin_answer(options, sink);
  while (step()) {
    if (!makes_token() && impl_->stop_asked()) give_up();
  }
  return last_answer();
}

void Session::begin_add(const tokenizer::Message& message) { impl_->begin_add(message); }
void Session::begin_answer(const GenerateOptions& options, TextSink sink) {
  impl_->begin_answer(options, std::move(sink));
}
bool Session::step(int64_t most) { return impl_->step(most); }
void Session::give_up() { impl_->give_up(); }
bool Session::busy() const { return impl_->work != Work::none; }
bool Session::makes_token() const { return impl_->work == Work::tokens; }
const Answer& Session::last_answer() const { return impl_->answer; }

std::vector<std::exception_ptr> step_together(std::span<Session* const> sessions, int64_t most) {
  std::vector<std::exception_ptr> errors(sessions.size());
  std::vector<Stream*> streams;
  std::vector<int32_t> ids;
  std::vector<size_t> drawn;
  const auto guarded = [&](size_t i, const auto& fn) {
    try {
      fn(*sessions[i]->impl_);
    } catch (...) {
      errors[i] = std::current_exception();
      sessions[i]->impl_->fail_step();
    }
  };
  for (size_t i = 0; i < sessions.size(); ++i) {
    guarded(i, [&](Session::Impl& session) {
      if (session.work != Work::tokens) {
        session.step(most);
      } else if (const std::optional<int32_t> id = session.draw()) {
        streams.push_back(&session.stream);
        ids.push_back(*id);
        drawn.push_back(i);
      }
    });
  }
  if (streams.empty()) return errors;
  const auto failed = read_together(sessions[0]->impl_->context, streams, ids);
  for (size_t i = 0; i < drawn.size(); ++i) {
    guarded(drawn[i], [&](Session::Impl& session) {
      if (failed[i] != nullptr) std::rethrow_exception(failed[i]);
      session.took(ids[i]);
    });
  }
  return errors;
}

void Session::save() { impl_->save(); }

void Session::set_scope(const ReadScope& scope) { impl_->dialog.set_scope(scope); }

const std::vector<membank::Turn>& Session::turns() const { return impl_->store.turns(); }
int64_t Session::tokens() const { return impl_->stream.size(); }
const Stream& Session::stream() const { return impl_->stream; }
Stream& Session::stream() { return impl_->stream; }
membank::DocumentId Session::document() const { return impl_->store.document(); }
bool Session::resumed() const { return impl_->store.resumed(); }

std::vector<RetrievedChunk> Session::reading() const {
  const auto& set = impl_->stream.segment().set;
  return set == nullptr ? std::vector<RetrievedChunk>() : set->chunks;
}

std::string Session::text_of(const RetrievedChunk& chunk) const {
  if (chunk.id != 0) {
    const auto ids = impl_->memory->bank().snapshot()->chunk_tokens(chunk.id);
    const bool pruned = ids.empty();
    if (!pruned || chunk.document != document()) {
      return tokenizer::readable_text(*impl_->model->tokens, ids);
    }
  }
  const auto ids =
      std::span(impl_->stream.tokens())
          .subspan(static_cast<size_t>(chunk.begin), static_cast<size_t>(chunk.tokens));
  return tokenizer::readable_text(*impl_->model->tokens, ids);
}

}  // namespace memlong::engine
