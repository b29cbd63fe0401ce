#include "engine/ingest.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <exception>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "common/clock.h"
#include "common/error.h"
#include "engine/ingest_stages.h"

namespace memlong::engine {
namespace {

constexpr size_t kReadQueueBytes = size_t{1} << 20;
constexpr size_t kWriteQueueBytes = size_t{32} << 20;
constexpr std::chrono::milliseconds kProgressEvery{100};

/// The chunks of a batch of windows must go in, so that the next batch need not wait for the disk.
size_t write_queue_bytes(const membank::Fingerprint& bank, int64_t tokens) {
  const int64_t elements = 2 * tokens * bank.kv_heads * bank.head_dim;
  return std::max(kWriteQueueBytes, static_cast<size_t>(elements) * dtype_size(bank.kv_dtype));
}

/// Runs the stages side by side and waits for them.
class StageRunner {
 public:
  /// `fn` is the stage; `done(failed)` runs after it, whatever happened.
  template <class Fn, class Done>
  void start(Fn fn, Done done) {
    {
      const std::scoped_lock lock(mutex_);
      ++running_;
    }
    boost::asio::post(pool_, [this, fn, done] {
      bool failed = true;
      try {
        fn();
        failed = false;
      } catch (const StageEnd&) {
        // Asked to stop, or its neighbour has gone: that one knows why.
      } catch (...) {
        const std::scoped_lock lock(mutex_);
        if (!error_) error_ = std::current_exception();
      }
      done(failed);
      const std::scoped_lock lock(mutex_);
      --running_;
      ended_.notify_all();
    });
  }

  /// Returns when all have ended; `tick` is called meanwhile. Errors: the first that a stage had.
  void wait(const std::function<void()>& tick) {
    std::unique_lock lock(mutex_);
    while (!ended_.wait_for(lock, kProgressEvery, [&] { return running_ == 0; })) {
      lock.unlock();
      tick();
      lock.lock();
    }
    lock.unlock();
    pool_.join();
    tick();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  std::exception_ptr error_;
  int running_ = 0;
  boost::asio::thread_pool pool_{3};
};

/// Documents of a name that was read, with another content: gone. What was met itself stays, so
/// that several rows of one name do not drive each other out.
int64_t forget_replaced(IngestState& state, membank::Bank& bank) {
  const auto snapshot = bank.snapshot();
  for (const IngestState::SameText& same : state.same_texts()) {
    const auto document = snapshot->find_text(same.name_space, same.hash);
    if (document && document->complete) state.met(document->id, same.name_space, same.name);
  }
  std::vector<membank::DocumentId> old;
  for (const auto& [name_space, name] : state.met_names()) {
    for (const membank::DocumentId id :
         snapshot->documents_of(name_space, membank::DocumentKind::text, name)) {
      if (!state.met_document(id)) old.push_back(id);
    }
  }
  for (const membank::DocumentId id : old) {
    bank.update([&](membank::Transaction& transaction) { transaction.forget(id); });
  }
  return static_cast<int64_t>(old.size());
}

}  // namespace

Ingestor::Ingestor(Context& context, std::shared_ptr<const LoadedModel> model,
                   std::shared_ptr<membank::Bank> bank, IngestOptions options)
    : context_(context),
      model_(std::move(model)),
      bank_(std::move(bank)),
      options_(std::move(options)) {}

IngestTotals Ingestor::run(const std::vector<Source>& sources) {
  const Stopwatch watch;
  IngestState state(options_, on_document);
  state.stop = stop;
  ReadQueue read_queue(kReadQueueBytes);
  WriteQueue write_queue(
      write_queue_bytes(bank_->fingerprint(), options_.windows * model_->settings.window));
  StageRunner stages;
  stages.start([&] { read_sources(state, sources, bank_.get(), model_.get(), &read_queue); },
               [&](bool /*failed*/) { read_queue.close(); });
  stages.start([&] { encode_documents(state, context_, model_, *bank_, read_queue, write_queue); },
               [&](bool /*failed*/) {
                 read_queue.cancel();
                 write_queue.close();
               });
  stages.start([&] { write_documents(state, *bank_, write_queue); },
               [&](bool failed) {
                 if (!failed) return;
                 write_queue.cancel();
                 read_queue.cancel();
               });
  stages.wait([&] { state.progress(on_progress); });
  IngestTotals totals = state.totals();
  totals.stopped = state.stopping();
  if (options_.replace && !totals.stopped) {
    totals.documents_replaced = forget_replaced(state, *bank_);
  }
  totals.seconds = watch.seconds();
  return totals;
}

void plan_ingest(const membank::Bank* bank, const IngestOptions& options,
                 const std::vector<Source>& sources, const std::atomic<bool>* stop,
                 const std::function<void(const DocumentReport&)>& on_document) {
  IngestState state(options, on_document);
  state.stop = stop;
  try {
    read_sources(state, sources, bank, nullptr, nullptr);
  } catch (const StageEnd&) {
    fail(ErrorKind::stopped, "stopped");
  }
}

}  // namespace memlong::engine
