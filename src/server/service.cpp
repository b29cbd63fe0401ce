#include "server/service.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "common/error.h"
#include "common/log.h"
#include "engine/bank_embedder.h"
#include "server/bank_access.h"

namespace memlong::server {

Service::Service(ServiceParts parts, Metrics& metrics)
    : parts_(std::move(parts)),
      metrics_(metrics),
      embedder_(engine::bank_embedder(*parts_.context, *parts_.model, bank())),
      dialogs_([this](const std::string& name,
                      const std::string& name_space) { return open_dialog(name, name_space); },
               parts_.open_dialogs) {}

Service::~Service() { dialogs_.close_all(); }

std::unique_ptr<engine::Session> Service::open_dialog(const std::string& name,
                                                      const std::string& name_space) {
  engine::SessionOptions wanted = parts_.session;
  wanted.name = name;
  wanted.name_space = name_space;
  wanted.scope = scope_of(name_space);
  wanted.read_at_once = false;
  return std::make_unique<engine::Session>(*parts_.context, parts_.model, embedder_, parts_.memory,
                                           wanted);
}

engine::ReadScope Service::scope_of(const std::string& name_space) const {
  if (parts_.scope) return *parts_.scope;
  if (parts_.memory == nullptr) return {};
  return engine::texts_of(*parts_.memory->bank().snapshot(), name_space);
}

/// Open dialogs read what is in the bank now.
void Service::follow_bank() {
  parts_.memory->refresh();
  dialogs_.for_each([this](engine::Session& session, const std::string& name_space) {
    session.set_scope(scope_of(name_space));
  });
}

/// Texts may have come beside the dialogs.
void Service::follow_texts() {
  if (!parts_.texts_changed->exchange(false)) return;
  try {
    follow_bank();
  } catch (const std::exception& error) {
    log::error(std::string("new texts are not read until there are others: ") + error.what());
  }
}

/// Where the bank is open for reading, others write it.
void Service::follow_writers() {
  if (bank() == nullptr || bank()->writable()) return;
  const uint64_t now = bank()->snapshot()->generation();
  if (std::exchange(generation_, now) != now) follow_bank();
}

/// The bank's, as soon as it has one. Dialogs that were opened with another are closed.
void Service::find_embedder() {
  if (parts_.memory == nullptr || (embedder_ != nullptr && !passing_)) return;
  auto found = engine::bank_embedder(*parts_.context, *parts_.model, bank());
  if (found == nullptr) return;
  if (passing_) dialogs_.close_all();
  passing_ = false;
  embedder_ = std::move(found);
}

/// For a text that is to be read. Where nothing of it is kept, the bank gets none.
void Service::settle_embedder(std::string_view text, bool kept) {
  find_embedder();
  const bool stores = kept && bank() != nullptr && bank()->writable();
  auto settled = engine::settle_embedder(*parts_.context, *parts_.model, stores ? bank() : nullptr,
                                         embedder_, text);
  if (settled == embedder_) return;
  if (passing_) dialogs_.close_all();
  passing_ = bank() != nullptr && !stores;
  embedder_ = std::move(settled);
}

membank::Bank* Service::bank() const {
  return parts_.memory == nullptr ? nullptr : &parts_.memory->bank();
}

engine::Memory& Service::bank_memory() const {
  (void)need_bank(bank());
  return *parts_.memory;
}

/// A long text gives the embedder a chunk at a time where it needs the network; their mean counts.
std::vector<float> Service::vector_of(const std::string& text, const Stop& stop) {
  settle_embedder(text, false);
  std::vector<float> mean(static_cast<size_t>(embedder_->dim()));
  if (!embedder_->needs_hidden()) {
    embedder_->embed(parts_.model->tokens->encode(text), {}, mean);
    return mean;
  }
  for (const auto& part :
       engine::text_vectors(*parts_.context, parts_.model, embedder_, text, stop.get())) {
    std::ranges::transform(mean, part, mean.begin(), std::plus<>());
  }
  double squares = 0;
  for (const float value : mean) squares += static_cast<double>(value) * value;
  if (squares > 0) {
    for (float& value : mean) value = static_cast<float>(value / std::sqrt(squares));
  }
  return mean;
}

}  // namespace memlong::server
