// memlong-ingest: reads text into a bank.
#include <filesystem>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/log.h"
#include "engine/ingest.h"
#include "tools/common/bank_encoder.h"
#include "tools/common/bank_model.h"
#include "tools/common/open_model.h"
#include "tools/common/output.h"
#include "tools/common/run.h"
#include "tools/common/show_plan.h"
#include "tools/common/signals.h"
#include "tools/common/text.h"
#include "tools/memlong-ingest/arguments.h"
#include "tools/memlong-ingest/console.h"

namespace memlong::ingest_tool {
namespace {

using membank::Bank;
using membank::OpenMode;

/// A bank that is there keeps its dtype unless another one was asked for (and is then refused).
DType kv_dtype(const IngestArguments& arguments, bool asked) {
  if (!asked && Bank::exists(arguments.bank)) {
    return Bank::open(arguments.bank, {.mode = OpenMode::read, .fingerprint = std::nullopt})
        ->fingerprint()
        .kv_dtype;
  }
  return parse_dtype(arguments.kv_dtype);
}

int dry_run(const IngestArguments& arguments, const engine::SourceList& list) {
  std::unique_ptr<Bank> bank;
  if (Bank::exists(arguments.bank)) {
    bank = Bank::open(arguments.bank, {.mode = OpenMode::read, .fingerprint = std::nullopt});
  }
  Plan plan(list.problems);
  engine::plan_ingest(bank.get(), arguments.ingest, list.sources, &tools::stop_flag(),
                      [&](const engine::DocumentReport& document) { plan.add(document); });
  plan.print(arguments.common.json);
  return plan.failed() > 0 ? tools::kExitFailure : tools::kExitOk;
}

int ingest(const IngestArguments& arguments, const engine::SourceList& list, DType dtype) {
  Context context(tools::context_options(arguments.common));
  engine::IngestOptions how = arguments.ingest;
  how.windows =
      tools::show_memory_plan(
          arguments.common, context,
          {.writer_only = true, .stored = dtype, .windows = arguments.windows.value_or(0)})
          .windows;
  const auto model = tools::open_model(context, arguments.common, true);
  std::error_code ignored;
  const bool folder_is_new = !std::filesystem::exists(arguments.bank, ignored);
  const bool bank_is_new = !Bank::exists(arguments.bank);
  const std::shared_ptr<Bank> bank = Bank::open(
      arguments.bank, {.mode = OpenMode::write, .fingerprint = model->fingerprint(dtype)});
  Console console(arguments.common, list.problems);
  engine::Ingestor ingestor(context, model, bank, how);
  ingestor.stop = &tools::stop_flag();
  ingestor.on_document = [&](const engine::DocumentReport& document) { console.report(document); };
  ingestor.on_progress = [&](const engine::IngestProgress& progress) { console.show(progress); };
  engine::IngestTotals totals = ingestor.run(list.sources);
  console.finish();
  totals.documents_failed += static_cast<int64_t>(list.problems.size());
  print_summary(totals, *bank, arguments.common.json);
  if (bank_is_new && !totals.stopped && bank->discard_if_empty()) {
    if (folder_is_new) std::filesystem::remove(arguments.bank, ignored);
    log::info("nothing could be read: bank " + arguments.bank.string() + " was not made");
  }
  if (totals.stopped) {
    tools::flush_out();
    fail(ErrorKind::stopped, "stopped: " + std::to_string(totals.chunks) +
                                 " chunks of this run are in the bank; run it again to go on");
  }
  return totals.documents_failed > 0 ? tools::kExitFailure : tools::kExitOk;
}

int run(int argc, char** argv) {
  IngestArguments arguments;
  tools::OptionSet options("memlong-ingest", "Reads text into a bank of memory.");
  add_options(options, arguments);
  if (!options.parse(argc, argv)) return tools::kExitOk;
  tools::apply_output_options(arguments.common);
  finish_arguments(options, arguments);
  const engine::SourceList list = engine::list_sources(arguments.paths, arguments.sources);
  if (arguments.dry_run) return dry_run(arguments, list);
  arguments.common.model = tools::need_model_of(arguments.common.model, arguments.bank);
  tools::take_bank_encoder(arguments.bank, arguments.common);
  return ingest(arguments, list, kv_dtype(arguments, options.given("kv-dtype")));
}

}  // namespace
}  // namespace memlong::ingest_tool

int main(int argc, char** argv) {
  return memlong::tools::run_tool(argc, argv, memlong::ingest_tool::run);
}
