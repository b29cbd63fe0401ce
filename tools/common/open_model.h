// Loads the model that the common options name.
#pragma once

#include <memory>

#include "engine/loaded_model.h"
#include "tensor/context.h"
#include "tools/common/model_options.h"

namespace memlong::tools {

/// `writer_only`: nothing above the memory layer's keys and values; `text_only`: no dialog will be
/// spelled. Errors: those of load_model.
std::shared_ptr<const engine::LoadedModel> open_model(Context& context, const CommonOptions& common,
                                                      bool writer_only = false,
                                                      bool text_only = false);

}  // namespace memlong::tools
