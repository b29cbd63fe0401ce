#include "engine/next_token.h"

#include <vector>

#include "ops/top_k.h"

namespace memlong::engine {

int32_t next_token(Context& context, const Stream& stream, const ops::SamplingOptions& sampling,
                   std::mt19937_64& generator) {
  const int64_t needed = ops::candidates_needed(sampling);
  if (needed > 0 && context.device() == Device::cuda) {
    return ops::sample_best(ops::top_k(context, stream.computed_logits(), needed), sampling,
                            generator);
  }
  const TensorView& row = stream.logits();
  std::vector<float> logits(row.data<float>(), row.data<float>() + row.elements());
  return ops::sample(logits, stream.tokens(), sampling, generator);
}

}  // namespace memlong::engine
