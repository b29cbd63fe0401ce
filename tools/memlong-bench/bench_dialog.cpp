// What a token costs in a dialog that grows: windows, memory and retrieval as in use.
#include <algorithm>
#include <fstream>
#include <optional>
#include <random>
#include <unistd.h>

#include "common/clock.h"
#include "engine/dialog_memory.h"
#include "engine/next_token.h"
#include "engine/stream.h"
#include "tensor/devices.h"
#include "tools/common/signals.h"
#include "tools/memlong-bench/bench_model.h"
#include "tools/memlong-bench/floors.h"
#include "tools/memlong-bench/work.h"

namespace memlong::bench_tool {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kCommitChunks = 64;  ///< as a session
constexpr double kMiB = 1 << 20;

double resident_mib() {
  int64_t total = 0;
  int64_t resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return static_cast<double>(resident * ::sysconf(_SC_PAGESIZE)) / kMiB;
}

/// What is taken of the GPU's memory, by whomever; 0 on the CPU. What this process has freed does
/// not count.
double device_mib(const Context& context) {
  if (context.device() == Device::cpu) return 0;
  context.synchronize();
  release_unused_memory(context.device_index());
  const CudaDevices found = cuda_devices();
  const CudaDevice& device = found.devices.at(static_cast<size_t>(context.device_index()));
  return static_cast<double>(device.total_bytes - free_device_bytes(device.index)) / kMiB;
}

/// A dialog of random tokens in a bank of its own.
class Dialog {
 public:
  Dialog(Bench& bench, const std::shared_ptr<const engine::LoadedModel>& model,
         const std::shared_ptr<const retriever::Embedder>& embedder, const fs::path& folder)
      : model_(model),
        bank_(membank::Bank::open(folder, {.mode = membank::OpenMode::write,
                                           .fingerprint = model_->fingerprint(DType::bf16)})),
        memory_(std::make_shared<engine::Memory>(bank_, retriever::IndexOptions{})),
        context_(bench.context),
        source_(context_, model_, memory_, {}, dialog_plan(bench).cached_chunks),
        stream_(context_, model_, embedder, source_, {}),
        message_(random_ids(bench.network, bench.arguments.message)) {}

  /// To `length` tokens, message by message; then an answer begins. Seconds.
  double grow(int64_t length) {
    const Stopwatch watch;
    stream_.end_answer();
    while (stream_.size() < length) {
      tools::throw_if_stopped();
      const auto whole = static_cast<int64_t>(message_.size());
      const int64_t count = std::min(whole, length - stream_.size());
      std::shuffle(message_.begin(), message_.end(), random_);
      stream_.append(std::span(message_).first(static_cast<size_t>(count)));
      stream_.catch_up();
      if (static_cast<int64_t>(source_.pending().size()) >= kCommitChunks) commit();
    }
    commit();
    stream_.begin_answer(std::max<int64_t>(0, length - model_->settings.chunk), length);
    context_.synchronize();
    return watch.seconds();
  }

  /// Tokens a second of one window's worth of them; the dialog is as it was afterwards.
  double generate() {
    stream_.read_last_again();
    std::mt19937_64 random(++answers_);  // other words find other chunks
    context_.synchronize();
    const Stopwatch watch;
    for (int64_t i = 0; i < tokens(); ++i) {
      const int32_t id = engine::next_token(context_, stream_, {}, random);
      stream_.read(std::span(&id, 1), engine::Want::last);
    }
    context_.synchronize();
    const double rate = static_cast<double>(tokens()) / watch.seconds();
    stream_.drop_last(tokens());
    return rate;
  }

  /// So that each run opens one window and meets every position of it.
  [[nodiscard]] int64_t tokens() const { return model_->window_stride(); }

 private:
  void commit() {
    membank::DocumentId document = 0;
    bank_->update([&](membank::Transaction& transaction) {
      document = source_.document();
      if (document == 0) {
        membank::NewDocument fresh;
        fresh.name = "dialog";
        fresh.kind = membank::DocumentKind::dialog;
        document = transaction.create_document(fresh);
      }
      for (const engine::EncodedChunk& chunk : source_.pending()) {
        transaction.append_chunk(document, chunk.ids, chunk.vector, chunk.k, chunk.v);
      }
    });
    source_.set_document(document);
    source_.committed();
  }

  std::shared_ptr<const engine::LoadedModel> model_;
  std::shared_ptr<membank::Bank> bank_;
  std::shared_ptr<engine::Memory> memory_;
  Context& context_;
  engine::DialogMemory source_;
  engine::Stream stream_;
  std::vector<int32_t> message_;
  std::mt19937 random_{7};
  uint64_t answers_ = 0;
};

}  // namespace

void bench_dialog(Bench& bench) {
  const ScratchFolder scratch(bench.arguments.folder);
  std::vector<int64_t> lengths = bench.arguments.dialog;
  std::sort(lengths.begin(), lengths.end());
  const auto model = loaded_model(bench, bench.network.settings.embedder);
  const auto embedder = bench_embedder(bench, *model);
  const int64_t memory = model->settings.top_k * model->settings.chunk;
  const double bytes = decode_bytes_per_token(bench.network, 0, model->settings.window, memory);
  Dialog dialog(bench, model, embedder, scratch.path() / "long");
  std::optional<Dialog> first;    // the shortest, as the floor of others
  std::optional<ReadFloor> read;  // of the shortest, and no longer: it takes memory
  double seconds = 0;
  for (const int64_t length : lengths) {
    read.reset();
    seconds += dialog.grow(length);
    const double resident = resident_mib();
    const double device = device_mib(bench.context);
    const bool shortest = length == lengths.front();
    if (shortest) {
      read.emplace(bench.context, bytes);
    } else if (!first) {
      first.emplace(bench, model, embedder, scratch.path() / "short");
      first->grow(lengths.front());
    }
    bench.add(
        {.test = "dialog-" + std::to_string(length),
         .unit = "tokens/s",
         .run = [&] { return dialog.generate(); },
         .floor = [&] { return shortest ? read->bytes_per_second() / bytes : first->generate(); },
         .more =
             [&] {
               Figures figures = {{"read_seconds", seconds}, {"resident_mib", resident}};
               if (device > 0) figures.emplace_back("device_mib", device);
               return figures;
             }});
  }
}

}  // namespace memlong::bench_tool
