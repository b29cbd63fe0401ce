// Where batches come from.
#pragma once

#include <string>

#include "train/batch.h"

namespace memlong::train {

class Network;

/// Not thread-safe. What comes next depends on nothing but the options, the data and the state.
class BatchSource {
 public:
  BatchSource() = default;
  BatchSource(const BatchSource&) = delete;
  BatchSource& operator=(const BatchSource&) = delete;
  virtual ~BatchSource() = default;

  /// The batch of training step `step` (from 0); schedules depend on the step.
  virtual Batch next(int64_t step) = 0;
  /// After the batch's forward pass: a stream keeps what its windows wrote.
  virtual void passed(const Batch& /*batch*/, const Network& /*network*/) {}
  /// Everything that decides what comes next, as text for the checkpoint (JSON).
  [[nodiscard]] virtual std::string state() const = 0;
  /// Goes on from a state. Streams encode their memory again with `network`, to the same bits.
  /// Errors: mismatch, when the data are not those that the state was made with.
  virtual void restore(const std::string& state, Network& network) = 0;
};

}  // namespace memlong::train
