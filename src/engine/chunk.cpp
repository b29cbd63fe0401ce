#include "engine/chunk.h"

#include "tensor/dtype.h"

namespace memlong::engine {

void round_as_stored(std::vector<float>& vector) {
  for (float& value : vector) value = static_cast<float>(f16(value));
}

}  // namespace memlong::engine
