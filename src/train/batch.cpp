#include "train/batch.h"

namespace memlong::train {

int64_t Batch::tokens() const {
  int64_t total = 0;
  for (const Past& past : pasts) total += static_cast<int64_t>(past.ids.size());
  for (const Sequence& sequence : sequences) total += static_cast<int64_t>(sequence.ids.size());
  return total;
}

LossSums& LossSums::operator+=(const LossSums& other) {
  loss += other.loss;
  weight += other.weight;
  plain_loss += other.plain_loss;
  targets += other.targets;
  answers += other.answers;
  exact_answers += other.exact_answers;
  exact.insert(exact.end(), other.exact.begin(), other.exact.end());
  return *this;
}

}  // namespace memlong::train
