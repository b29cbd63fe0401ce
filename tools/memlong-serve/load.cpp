#include "tools/memlong-serve/load.h"

#include <algorithm>
#include <utility>

#include "tools/common/bank_encoder.h"
#include "tools/common/open_bank.h"
#include "tools/common/open_model.h"
#include "tools/common/show_plan.h"

namespace memlong::serve_tool {

namespace {

/// Texts are read beside answers: on the processor with half of its threads.
std::unique_ptr<Context> reading_context(const ServeArguments& arguments, const Context& answers) {
  ContextOptions options = tools::context_options(arguments.common);
  if (answers.device() == Device::cpu) options.threads = std::max(1, answers.threads() / 2);
  return std::make_unique<Context>(options);
}

}  // namespace

server::ServiceParts load_parts(ServeArguments arguments) {
  server::ServiceParts parts;
  arguments.common.model = tools::model_folder(arguments);
  tools::take_bank_encoder(arguments.bank, arguments.common);
  parts.context = std::make_unique<Context>(tools::context_options(arguments.common));
  arguments.cached_chunks =
      tools::show_memory_plan(arguments.common, *parts.context,
                              {.use_memory = arguments.memory,
                               .cached_chunks = arguments.cached_chunks.value_or(-1),
                               .dialogs = arguments.open_dialogs,
                               .takes_texts = arguments.keeps()})
          .cached_chunks;
  if (arguments.keeps()) parts.reading = reading_context(arguments, *parts.context);
  parts.model = tools::open_model(*parts.context, arguments.common);
  if (auto bank = tools::open_bank(arguments, arguments.keeps(), *parts.model); bank != nullptr) {
    parts.scope = tools::asked_scope(arguments, *bank);
    parts.memory =
        std::make_shared<engine::Memory>(std::move(bank), tools::index_options(arguments));
  }
  parts.session = tools::session_options(arguments);
  parts.generate = arguments.generate;
  parts.system = arguments.system;
  parts.parallel = static_cast<size_t>(std::min(arguments.parallel, arguments.open_dialogs));
  parts.queue = static_cast<size_t>(arguments.queue);
  parts.unnamed_tokens = arguments.unnamed_tokens;
  parts.open_dialogs = static_cast<size_t>(arguments.open_dialogs);
  parts.model_name = arguments.alias;
  if (parts.model_name.empty()) {
    const auto folder = std::filesystem::absolute(parts.model->folder).lexically_normal();
    parts.model_name = (folder.has_filename() ? folder : folder.parent_path()).filename().string();
  }
  return parts;
}

}  // namespace memlong::serve_tool
