#include "engine/session.h"

#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "common/error.h"
#include "engine/answer_spans.h"
#include "engine/dialog_memory.h"
#include "engine/next_token.h"
#include "engine/session_store.h"
#include "engine/stop_filter.h"
#include "tokenizer/readable_text.h"
#include "tokenizer/stream_decoder.h"

namespace memlong::engine {
namespace {

/// So many new chunks are kept without waiting for an answer.
constexpr size_t kPendingChunks = 64;

/// What stands behind the content of an answer.
tokenizer::Ids closing_of(const tokenizer::ChatTemplate& chat) {
  const tokenizer::EncodedMessage some = chat.encode({"assistant", "x"}, 1);
  return {some.ids.begin() + static_cast<std::ptrdiff_t>(some.content_end), some.ids.end()};
}

}  // namespace

class Session::Impl {
 public:
  Impl(Context& context, std::shared_ptr<const LoadedModel> model,
       std::shared_ptr<const retriever::Embedder> embedder, std::shared_ptr<Memory> memory,
       const SessionOptions& options);

  void add(const tokenizer::Message& message);
  Answer answer(const GenerateOptions& options, const TextSink& sink);
  void save();

  Context& context;
  std::shared_ptr<const LoadedModel> model;
  std::shared_ptr<Memory> memory;
  SessionOptions options;
  DialogMemory dialog;
  Stream stream;
  SessionStore store;
  std::mt19937_64 generator;
  int64_t read_since_answer = 0;
  double seconds_since_answer = 0.0;
  int64_t saved_tokens = 0;

 private:
  void open_dialog();
  void begin_turn(const std::string& role);
  void take_back(int64_t begin);
  void read(std::span<const int32_t> ids, Want want = Want::nothing);
  void catch_up();
  void generate(const GenerateOptions& options, const TextSink& sink, Answer& answer);
  void close_answer(int64_t begin, int64_t content_begin, const Answer& answer);
  bool emit(std::string_view text, const TextSink& sink, Answer& answer);
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
      generator(options.seed != 0 ? options.seed : std::random_device{}()) {
  if (std::optional<SavedDialog> saved = store.load()) {
    dialog.set_document(store.document());
    stream.restore(std::move(saved->tokens), answer_spans(store.turns()), saved->completed);
    saved_tokens = stream.size();
  }
}

void Session::Impl::read(std::span<const int32_t> ids, Want want) {
  const Stopwatch watch;
  if (want == Want::nothing) {
    stream.append(ids);
    if (stream.unread() > 4 * model->window_capacity() && !stream.catch_up(options.stop)) {
      fail(ErrorKind::stopped, "stopped: the message was not taken in");
    }
  } else {
    stream.read(ids, want);
  }
  read_since_answer += static_cast<int64_t>(ids.size());
  seconds_since_answer += watch.seconds();
}

void Session::Impl::catch_up() {
  const Stopwatch watch;
  stream.catch_up();
  seconds_since_answer += watch.seconds();
}

void Session::Impl::open_dialog() {
  if (stream.size() > 0) return;
  tokenizer::Ids opening = model->chat->opening();
  if (model->settings.window_bos) std::erase(opening, model->config.bos);
  read(opening);
}

/// Tells the stream who speaks next, for its queries.
void Session::Impl::begin_turn(const std::string& role) {
  if (role == "user") stream.end_answer();
  if (role != "assistant") return;
  const std::vector<membank::Turn>& turns = store.turns();
  const auto asked = std::find_if(turns.rbegin(), turns.rend(),
                                  [](const membank::Turn& turn) { return turn.role == "user"; });
  if (asked == turns.rend()) return;
  const bool marked = !model->chat->answer_prefix(turns.size()).empty();
  stream.begin_answer(asked->begin, asked->end, marked ? 0 : 1);
}

/// The turn that was added last, whose tokens begin at `begin`, is no longer part of the dialog.
void Session::Impl::take_back(int64_t begin) {
  store.drop_last_turn();
  stream.drop_last(stream.size() - begin);
}

void Session::Impl::add(const tokenizer::Message& message) {
  const tokenizer::EncodedMessage encoded = model->chat->encode(message, store.turns().size());
  open_dialog();
  begin_turn(message.role);
  const int64_t begin = stream.size();
  // The turn first: where reading fails, its tokens are there all the same.
  store.add_turn({.role = message.role,
                  .content = message.content,
                  .begin = begin,
                  .end = begin + static_cast<int64_t>(encoded.ids.size()),
                  .content_begin = begin + static_cast<int64_t>(encoded.content_begin),
                  .content_end = begin + static_cast<int64_t>(encoded.content_end),
                  .time = now_micros()});
  try {
    read(encoded.ids);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::stopped) take_back(begin);
    throw;
  }
  if (dialog.pending().size() >= kPendingChunks) save();
}

bool Session::Impl::emit(std::string_view text, const TextSink& sink, Answer& answer) {
  answer.text += text;
  return text.empty() || !sink || sink(text);
}

void Session::Impl::generate(const GenerateOptions& generate_options, const TextSink& sink,
                             Answer& answer) {
  const tokenizer::Ids stop_ids = model->chat->stop_ids();
  std::vector<std::string> stops = model->chat->stop_texts();
  stops.insert(stops.end(), generate_options.stop.begin(), generate_options.stop.end());
  StopFilter filter(std::move(stops));
  tokenizer::StreamDecoder decoder(model->tokens);
  std::vector<size_t> text_before;  // of each token
  size_t text_size = 0;
  answer.reason = StopReason::length;
  for (int64_t count = 0; count < generate_options.max_tokens; ++count) {
    const int32_t id = next_token(context, stream, generate_options.sampling, generator);
    if (std::find(stop_ids.begin(), stop_ids.end(), id) != stop_ids.end()) {
      answer.reason = StopReason::end;
      break;
    }
    answer.ids.push_back(id);
    stream.read(std::span(&id, 1), Want::last);
    const std::string text = decoder.push(id);
    text_before.push_back(text_size);
    text_size += text.size();
    const bool go_on = emit(filter.push(text), sink, answer);
    if (filter.stopped()) {
      // The mark that the model wrote is not part of what it said.
      const auto first =
          std::lower_bound(text_before.begin(), text_before.end(), answer.text.size());
      stream.drop_last(text_before.end() - first);
      answer.ids.resize(static_cast<size_t>(first - text_before.begin()));
      answer.reason = StopReason::stop_text;
      return;
    }
    if (go_on) continue;
    answer.reason = StopReason::interrupted;
    answer.text += filter.push(decoder.finish()) + filter.finish();
    return;
  }
  emit(filter.push(decoder.finish()), sink, answer);
  emit(filter.finish(), sink, answer);
}

/// Closes the answer as it stands.
void Session::Impl::close_answer(int64_t begin, int64_t content_begin, const Answer& answer) {
  stream.measure_attention(false);
  const int64_t content_end = std::max(stream.size(), content_begin);
  stream.append(closing_of(*model->chat));
  store.add_turn({.role = "assistant",
                  .content = answer.text,
                  .begin = begin,
                  .end = stream.size(),
                  .content_begin = content_begin,
                  .content_end = content_end,
                  .time = now_micros()});
}

Answer Session::Impl::answer(const GenerateOptions& generate_options, const TextSink& sink) {
  open_dialog();
  begin_turn("assistant");
  catch_up();
  stream.measure_attention(generate_options.measure_attention);
  const int64_t begin = stream.size();
  const tokenizer::Ids prefix = model->chat->answer_prefix(store.turns().size());
  if (begin == 0 && prefix.empty()) fail(ErrorKind::usage, "there is no message to answer");
  const int64_t content_begin = begin + static_cast<int64_t>(prefix.size());
  if (generate_options.seed != 0) generator.seed(generate_options.seed);
  Answer answer;
  try {
    if (prefix.empty()) stream.read_last_again();
    if (!prefix.empty()) read(prefix, Want::last);
    answer.prompt_tokens = std::exchange(read_since_answer, 0);
    answer.prompt_seconds = std::exchange(seconds_since_answer, 0.0);
    const Stopwatch watch;
    generate(generate_options, sink, answer);
    answer.seconds = watch.seconds();
  } catch (...) {
    close_answer(begin, content_begin, answer);  // the dialog stays one that can go on
    throw;
  }
  answer.retrieved = stream.measured();
  if (!generate_options.measure_attention && stream.segment().set != nullptr) {
    answer.retrieved = stream.segment().set->chunks;
  }
  std::stable_sort(
      answer.retrieved.begin(), answer.retrieved.end(),
      [](const RetrievedChunk& a, const RetrievedChunk& b) { return a.score > b.score; });
  close_answer(begin, content_begin, answer);
  return answer;
}

void Session::Impl::save() {
  if (!store.keeps() || stream.size() == saved_tokens) return;
  catch_up();
  store.save(dialog.pending(), std::span(stream.tokens()).subspan(stream.completed()));
  dialog.set_document(store.document());
  dialog.committed();
  saved_tokens = stream.size();
  store.retain();
}

Session::Session(Context& context, std::shared_ptr<const LoadedModel> model,
                 std::shared_ptr<const retriever::Embedder> embedder,
                 std::shared_ptr<Memory> memory, const SessionOptions& options)
    : impl_(std::make_unique<Impl>(context, std::move(model), std::move(embedder),
                                   std::move(memory), options)) {}
Session::~Session() = default;

void Session::add(const tokenizer::Message& message) { impl_->add(message); }

Answer Session::answer(const GenerateOptions& options, const TextSink& sink) {
  Answer answer = impl_->answer(options, sink);
  if (answer.reason != StopReason::interrupted || options.keep_interrupted) impl_->save();
  return answer;
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
