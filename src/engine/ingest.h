// Text into a bank: read and tokenize, encode, write, at the same time.
//
// A document is known by its namespace and the SHA-256 of its bytes: what is complete in the bank
// is skipped, what is incomplete is taken up where the last commit left it. Killing an ingest at
// any moment and running it again gives the same bank as one run in one go.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/error.h"
#include "engine/ingest_rows.h"
#include "engine/ingest_sources.h"
#include "engine/loaded_model.h"
#include "membank/bank.h"
#include "membank/retention.h"
#include "tensor/context.h"

namespace memlong::engine {

struct IngestOptions {
  std::string name_space = "default";
  bool row_name_spaces = true;  ///< a JSON line's "namespace" field wins over name_space
  RowFields fields;
  bool replace = false;  ///< documents of the same name and other content are forgotten at the end
  membank::RetentionBudget retention;  ///< applied after each commit
  // A commit is made when one of these is reached, or a document of some length ends.
  int64_t commit_chunks = 256;
  int64_t commit_bytes = int64_t{64} << 20;
  double commit_seconds = 2.0;
  /// So many whole windows, or as many tokens of several documents, are read at once (Encoder).
  int64_t windows = 1;
};

enum class DocumentOutcome : uint8_t {
  fresh,    ///< read now
  resumed,  ///< completed now
  known,    ///< complete in the bank already (or named twice)
  failed,
};

struct DocumentReport {
  DocumentOutcome outcome = DocumentOutcome::fresh;
  std::string name;
  std::string name_space;
  int64_t bytes = 0;
  std::string problem;  ///< of a failed one
  /// Of a failed one: format; busy where it was forgotten while it was memorized.
  ErrorKind kind = ErrorKind::format;
};

struct IngestProgress {
  int64_t bytes = 0;  ///< of the sources, done
  int64_t total_bytes = 0;
  int64_t tokens = 0;     ///< encoded so far
  int64_t documents = 0;  ///< done, failed ones included
};

struct IngestTotals {
  int64_t documents_new = 0;  ///< complete in the bank now and not before, resumed ones included
  int64_t documents_resumed = 0;
  int64_t documents_known = 0;
  int64_t documents_failed = 0;
  int64_t documents_replaced = 0;
  int64_t chunks = 0;  ///< committed by this run
  int64_t tokens = 0;  ///< of those chunks
  double seconds = 0.0;
  membank::Removed pruned;  ///< by the retention rule
  bool stopped = false;     ///< by the stop flag: what was done is committed
  [[nodiscard]] double tokens_per_second() const {
    return seconds > 0.0 ? static_cast<double>(tokens) / seconds : 0.0;
  }
};

/// Not thread-safe: one run() at a time. Others may read and change the bank meanwhile, another
/// Ingestor with a Context of its own too; but what this one is about to read must not be read by
/// another at the same time (the bank would have it twice). Functions that it calls are called one
/// at a time, from any thread; they must not throw.
class Ingestor {
 public:
  /// The bank must be open for writing and have the model's fingerprint. `context` is used by run()
  /// alone while it runs.
  Ingestor(Context& context, std::shared_ptr<const LoadedModel> model,
           std::shared_ptr<membank::Bank> bank, IngestOptions options);

  std::function<void(const DocumentReport&)> on_document;
  std::function<void(const IngestProgress&)> on_progress;  ///< several times a second
  const std::atomic<bool>* stop = nullptr;

  /// Reads all sources in their order. A document that cannot be read is reported and counted, the
  /// others go in. Errors: those of the bank and the network; what was committed before stays.
  IngestTotals run(const std::vector<Source>& sources);

 private:
  Context& context_;
  std::shared_ptr<const LoadedModel> model_;
  std::shared_ptr<membank::Bank> bank_;
  IngestOptions options_;
};

/// What run() would do with each document, without a model. `bank` may be null: then nothing is
/// known.
void plan_ingest(const membank::Bank* bank, const IngestOptions& options,
                 const std::vector<Source>& sources, const std::atomic<bool>* stop,
                 const std::function<void(const DocumentReport&)>& on_document);

}  // namespace memlong::engine
