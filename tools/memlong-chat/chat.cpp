#include "tools/memlong-chat/chat.h"

#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "engine/encoder.h"
#include "tools/common/open_model.h"
#include "tools/common/show_plan.h"
#include "tools/common/signals.h"
#include "tools/memlong-chat/open_bank.h"

namespace memlong::tools {

Chat::Chat(const ChatOptions& options)
    : options_(options), context_(context_options(options.common)) {
  const Stopwatch watch;
  options_.common.model = model_folder(options_);
  options_.cached_chunks = show_memory_plan(options_.common, context_,
                                            {.use_memory = options_.memory,
                                             .cached_chunks = options_.cached_chunks.value_or(-1)})
                               .cached_chunks;
  model_ = open_model(context_, options_.common);
  if (auto bank = open_bank(options_, *model_); bank != nullptr) {
    scope_ = read_scope(options_, *bank);
    memory_ = std::make_shared<engine::Memory>(std::move(bank), index_options(options_));
  }
  std::string blob;
  if (memory_ != nullptr) blob = memory_->bank().snapshot()->blob("sif");
  embedder_ = engine::make_embedder(context_, *model_, blob);
  timing_.load_seconds = watch.seconds();
}

void Chat::open(std::string_view text) {
  if (is_open()) return;
  open_embedder(text);
  open_session();
}

void Chat::open_embedder(std::string_view text) {
  const bool in_bank = memory_ != nullptr && memory_->bank().writable();
  const bool store = in_bank && model_->settings.embedder == "sif" &&
                     memory_->bank().snapshot()->blob("sif").empty();
  if (embedder_ != nullptr && !store) return;
  const std::string blob = engine::make_sif_blob(context_, *model_, model_->tokens->encode(text));
  if (store) {
    memory_->bank().update([&](membank::Transaction& change) { change.set_blob("sif", blob); });
  }
  embedder_ = engine::make_embedder(context_, *model_, blob);
}

void Chat::open_session() {
  const Stopwatch watch;
  engine::SessionOptions wanted = session_options(options_);
  wanted.scope = scope_;
  wanted.stop = &stop_flag();
  session_ = std::make_unique<engine::Session>(context_, model_, embedder_, memory_, wanted);
  timing_.load_seconds += watch.seconds();
  const std::string& system = options_.system;
  if (system.empty()) return;
  const std::vector<membank::Turn>& turns = session_->turns();
  if (turns.empty()) {
    session_->add({"system", system});
  } else if (turns[0].role != "system" || turns[0].content != system) {
    log::warn("--system is left out: the session has begun with another one, or without");
  }
}

void Chat::close() {
  session_.reset();
  last_.reset();
  fed_tokens_ = 0;
  fed_seconds_ = 0;
}

void Chat::reopen(const std::string& name) {
  close();
  options_.session = name;
  open_session();
}

void Chat::count_read(int64_t tokens, double seconds) {
  timing_.prompt_tokens += tokens;
  timing_.prompt_seconds += seconds;
  fed_tokens_ += tokens;
  fed_seconds_ += seconds;
}

const engine::Answer& Chat::ask(const std::string& message, const engine::TextSink& sink) {
  session_->add({"user", message});
  last_ = session_->answer(options_.generate, sink);
  // The answer counts what was read since the one before, a dialog from a file included.
  timing_.prompt_tokens += last_->prompt_tokens - std::exchange(fed_tokens_, 0);
  timing_.prompt_seconds += std::max(0.0, last_->prompt_seconds - std::exchange(fed_seconds_, 0.0));
  timing_.tokens += static_cast<int64_t>(last_->ids.size());
  timing_.seconds += last_->seconds;
  return *last_;
}

/// The encoder knows what every kind of embedder needs; a long text gives a vector a chunk.
std::vector<std::vector<float>> Chat::query_vectors(const std::string& text) {
  std::vector<std::vector<float>> vectors;
  const DType dtype = memory_->bank().fingerprint().kv_dtype;
  engine::Encoder encoder(context_, model_, embedder_, dtype, [&](engine::EncodedChunk&& chunk) {
    vectors.push_back(std::move(chunk.vector));
  });
  encoder.begin();
  encoder.push(model_->tokens->encode(text));
  encoder.finish();
  return vectors;
}

std::vector<engine::FoundChunk> Chat::search(const std::string& text, int64_t k) {
  if (memory_ == nullptr) fail(ErrorKind::usage, "there is no bank to search: start with --bank");
  memory_->refresh();
  const engine::ChunkFilter others = memory_->scope_filter(scope_);
  const membank::DocumentId own = session_->document();
  return memory_->search(query_vectors(text), k, [&](const membank::ChunkInfo& chunk) {
    return (own != 0 && chunk.document == own) || others(chunk);
  });
}

std::string Chat::document_name(membank::DocumentId id) const {
  if (id == 0 || (is_open() && id == session_->document())) return "this dialog";
  if (memory_ != nullptr) {
    if (const auto document = memory_->bank().snapshot()->document(id)) return document->name;
  }
  return "document " + std::to_string(id) + " (gone)";
}

}  // namespace memlong::tools
