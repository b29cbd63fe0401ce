#include "tools/common/open_model.h"

#include "model/config.h"

namespace memlong::tools {

std::shared_ptr<const engine::LoadedModel> open_model(Context& context, const CommonOptions& common,
                                                      bool writer_only, bool text_only) {
  const model::ModelConfig config = model::load_config(common.model);
  return engine::load_model(context, {.folder = common.model,
                                      .settings = resolve_settings(common, config),
                                      .dtype = compute_dtype(common),
                                      .writer_only = writer_only,
                                      .text_only = text_only,
                                      .packed_cache = packed_cache(common)});
}

}  // namespace memlong::tools
