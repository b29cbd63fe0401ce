// memlong-train sif: what the embedder knows of a model's language, estimated anew.
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "tools/common/output.h"
#include "tools/common/text.h"
#include "tools/memlong-train/artifact.h"
#include "tools/memlong-train/setup.h"

namespace memlong::train_tool {

int write_sif(const Arguments& arguments) {
  if (arguments.common.model.empty()) fail(ErrorKind::usage, "--model DIR is missing");
  Context context(tools::context_options(arguments.common));
  const auto model = open_base(context, arguments);
  const auto corpus = read_data(parse_data(arguments.sif_data), *model, arguments.common);
  const std::vector<int32_t> ids = sample_tokens(*corpus, arguments.sif_tokens);
  if (ids.empty()) fail(ErrorKind::usage, "--data holds no text");
  write_sif_file(context, arguments.common.model, ids, model->settings.chunk);
  const std::string path = (arguments.common.model / "sif.safetensors").string();
  if (arguments.common.json) {
    tools::print_json({{"path", path}, {"tokens", ids.size()}});
  } else {
    tools::print_out(tools::key_values(
        {{"written", path}, {"tokens", tools::group_digits(static_cast<int64_t>(ids.size()))}}));
  }
  return 0;
}

}  // namespace memlong::train_tool
