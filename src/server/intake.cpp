#include "server/intake.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/hash.h"
#include "engine/bank_embedder.h"
#include "engine/document_json.h"
#include "engine/ingest.h"
#include "engine/ingest_text.h"
#include "server/bank_access.h"
#include "server/json_body.h"

namespace memlong::server {

using json = nlohmann::ordered_json;

namespace {

const char* outcome_name(engine::DocumentOutcome outcome) {
  switch (outcome) {
    case engine::DocumentOutcome::fresh:
      return "new";
    case engine::DocumentOutcome::resumed:
      return "completed";
    case engine::DocumentOutcome::known:
      return "known";
    case engine::DocumentOutcome::failed:
      return "failed";
  }
  return "failed";
}

/// Told at the end, also where what comes after the text fails.
class Changed {
 public:
  explicit Changed(std::atomic<bool>& changed) : changed_(changed) {}
  Changed(const Changed&) = delete;
  Changed& operator=(const Changed&) = delete;
  ~Changed() { changed_ = true; }

 private:
  std::atomic<bool>& changed_;
};

}  // namespace

Intake::Intake(IntakeParts parts, Metrics& metrics) : parts_(std::move(parts)), metrics_(metrics) {}

http::Response Intake::memorize(NewText text, const Stop& stop) {
  membank::Bank& bank = bank_to_change(parts_.bank.get());
  if (text.name_space.empty()) text.name_space = parts_.name_space;
  engine::TextCheck check;
  check.feed(text.text);
  check.finish();
  // Before the pipeline does it: a dialog may begin at this moment.
  (void)engine::settle_embedder(*parts_.context, *parts_.model, &bank, text.text);
  const Digest hash = sha256(text.text);
  engine::IngestOptions how;
  how.name_space = text.name_space;
  how.replace = text.replace;
  how.retention = parts_.retention;
  engine::Ingestor ingestor(*parts_.context, parts_.model, parts_.bank, how);
  engine::DocumentReport report;
  ingestor.on_document = [&](const engine::DocumentReport& document) { report = document; };
  ingestor.stop = stop.get();
  engine::Source source;
  source.name = text.name;
  source.bytes = static_cast<int64_t>(text.text.size());
  source.content = std::make_shared<const std::string>(std::move(text.text));
  const Changed changed(*parts_.changed);
  const engine::IngestTotals totals = ingestor.run({source});
  metrics_.count_read_text(totals.tokens);
  if (totals.stopped) {
    fail(ErrorKind::stopped,
         "stopped: a part of the text is in the bank; the same request goes on");
  }
  if (report.outcome == engine::DocumentOutcome::failed) fail(report.kind, report.problem);
  json value;
  value["outcome"] = outcome_name(report.outcome);
  const auto document = bank.snapshot()->find_text(text.name_space, hash);
  value["document"] = document ? engine::document_json(*document) : json();
  value["tokens"] = totals.tokens;
  value["seconds"] = totals.seconds;
  value["documents_replaced"] = totals.documents_replaced;
  return json_response(value, report.outcome == engine::DocumentOutcome::fresh ? 201 : 200);
}

}  // namespace memlong::server
