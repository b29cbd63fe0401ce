// One token at a time on a GPU: the work of a token is recorded once (tensor/graph.h) and then
// started by one call for each token. Id and position lie in device memory, memory sets and the
// attention that they got in buffers that stay where they are.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "backbone/block.h"
#include "backbone/kv_cache.h"
#include "engine/loaded_model.h"
#include "tensor/context.h"
#include "tensor/graph.h"

namespace memlong::engine {

/// Where a decoder works; it all stays in place as long as the decoder lives.
struct DecoderPlaces {
  backbone::KvCache* cache = nullptr;
  TensorView raw_k = {};  ///< [G, W, D]: layer m's keys before rope and values
  TensorView raw_v = {};
};

/// One token of a window, which is not its first.
struct DecoderCall {
  int32_t id = 0;
  int64_t position = 0;    ///< in the window
  bool measure = false;    ///< attention to memory is added to the decoder's probe
  TensorView hidden = {};  ///< [1, C] f32 or empty: layer m's input goes there
  TensorView logits = {};  ///< [1, V] f32
};

/// Not thread-safe.
class Decoder {
 public:
  /// On a CUDA device. Work is recorded where context.records() says so.
  Decoder(Context& context, std::shared_ptr<const LoadedModel> model, const DecoderPlaces& places);

  /// What the next tokens read: K and V [G, M, D], copied; empty: nothing. What the probe has added
  /// up is lost.
  void read_set(const TensorView& k, const TensorView& v);
  /// Queues the token's work. Waits for nothing, and allocates only when it has not seen a call
  /// like this before.
  void step(const DecoderCall& call);

  /// What was measured since read_set() or forget_measured(): one segment, or none.
  [[nodiscard]] const backbone::MassProbe& probe() const { return probe_; }
  void forget_measured();

  /// How many of the steps were launches of recorded work, for tests and reports.
  [[nodiscard]] int64_t launched() const { return launched_; }

 private:
  /// What recorded work depends on.
  struct Key {
    int64_t memory = 0;       ///< M
    int64_t memory_plan = 0;  ///< of attention, by kAttentionPlanKeys, in layers that read memory
    int64_t local_plan = 0;   ///< and in those that do not
    bool measure = false;
    const void* logits = nullptr;
    uint64_t scratch = 0;  ///< Context::scratch_changes()
    bool operator==(const Key&) const = default;
  };

  [[nodiscard]] Key key_of(const DecoderCall& call) const;
  void make_room(int64_t groups, int64_t tokens, int64_t dim);
  void queue(const DecoderCall& call);
  bool record(const DecoderCall& call);
  bool launch(const DecoderCall& call);

  Context& context_;
  std::shared_ptr<const LoadedModel> model_;
  DecoderPlaces places_;
  Tensor token_;   ///< [2] i32: id, position
  Tensor x_;       ///< [1, C] f32
  Tensor hidden_;  ///< [1, C] f32: layer m's input
  Tensor set_;     ///< [2, room]: K of the set, V of the set
  TensorView k_;   ///< [G, M, D] in set_
  TensorView v_;
  backbone::MassProbe probe_;
  Tensor zeros_;              ///< as many as the probe has
  int64_t rows_of_step_ = 0;  ///< what a measured step adds to probe_.rows
  Graph graph_;
  Key recorded_;             ///< what graph_ is for
  std::optional<Key> seen_;  ///< of the last step that was no launch of recorded work
  bool records_;
  int64_t launched_ = 0;
};

}  // namespace memlong::engine
