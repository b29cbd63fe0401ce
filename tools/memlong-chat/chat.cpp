#include "tools/memlong-chat/chat.h"

#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "engine/bank_embedder.h"
#include "tools/common/bank_encoder.h"
#include "tools/common/open_bank.h"
#include "tools/common/open_model.h"
#include "tools/common/show_plan.h"
#include "tools/common/signals.h"

namespace memlong::tools {
namespace {

/// What was asked for, else the texts of its namespace (a kept session) or the whole bank (none).
engine::ReadScope scope_of(const ChatOptions& options, const membank::Bank& bank) {
  if (auto asked = asked_scope(options, bank)) return *asked;
  if (options.session.empty()) return {.name_spaces = {}, .documents = {}, .everything = true};
  return engine::texts_of(*bank.snapshot(), options.name_space);
}

}  // namespace

Chat::Chat(const ChatOptions& options)
    : options_(options), context_(context_options(options.common)) {
  const Stopwatch watch;
  options_.common.model = model_folder(options_);
  take_bank_encoder(options_.bank, options_.common);
  options_.cached_chunks = show_memory_plan(options_.common, context_,
                                            {.use_memory = options_.memory,
                                             .cached_chunks = options_.cached_chunks.value_or(-1)})
                               .cached_chunks;
  model_ = open_model(context_, options_.common);
  bank_is_new_ = !options_.bank.empty() && !membank::Bank::exists(options_.bank);
  std::shared_ptr<membank::Bank> bank = open_bank(options_, options_.keeps(), *model_);
  embedder_ = engine::bank_embedder(context_, *model_, bank.get());
  if (bank != nullptr) {
    scope_ = scope_of(options_, *bank);
    memory_ = std::make_shared<engine::Memory>(std::move(bank), index_options(options_));
  }
  timing_.load_seconds = watch.seconds();
}

void Chat::open(std::string_view text) {
  if (is_open()) return;
  open_embedder(text);
  open_session();
}

void Chat::open_embedder(std::string_view text) {
  membank::Bank* bank = memory_ == nullptr ? nullptr : &memory_->bank();
  embedder_ = engine::settle_embedder(context_, *model_, bank, embedder_, text);
}

void Chat::open_session() {
  const Stopwatch watch;
  engine::SessionOptions wanted = session_options(options_);
  wanted.name = options_.session;
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

std::vector<engine::FoundChunk> Chat::search(const std::string& text, int64_t k) {
  if (memory_ == nullptr) fail(ErrorKind::usage, "there is no bank to search: start with --bank");
  memory_->refresh();
  const engine::ChunkFilter others = memory_->scope_filter(scope_);
  const membank::DocumentId own = session_->document();
  const auto vectors = engine::text_vectors(context_, model_, embedder_, text);
  return memory_->search(vectors, k, [&](const membank::ChunkInfo& chunk) {
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
