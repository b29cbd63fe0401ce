// Packed weights that are kept from start to start: taken where they fit, made anew where they do
// not, and never a reason not to start.
#include "engine/packed_cache.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/error.h"
#include "common/file.h"
#include "engine/loaded_model.h"
#include "engine/packed_index.h"
#include "model/safetensors.h"
#include "ops/copy.h"
#include "ops/matmul.h"
#include "support/paths.h"
#include "support/small_disk.h"
#include "support/temp_folder.h"
#include "support/torch_bytes.h"

namespace memlong::engine {
namespace {

namespace fs = std::filesystem;
using test::TempFolder;

/// What every packed matrix makes of a row of ones and twos, one after the other.
std::vector<float> products(Context& context, const LoadedModel& model) {
  std::vector<float> all;
  const auto add = [&](const ops::PackedWeight& weight) {
    if (weight.empty()) return;
    const Tensor wide({1, weight.in_features()}, DType::f32);
    for (int64_t i = 0; i < wide.view().elements(); ++i) {
      wide.data<float>()[i] = static_cast<float>(1 + i % 2);
    }
    const Tensor x = ops::convert(context, wide, weight.dtype());
    const Tensor out({1, weight.out_features()}, DType::f32);
    ops::matmul(context, x, weight, out);
    all.insert(all.end(), out.data<float>(), out.data<float>() + out.view().elements());
  };
  for (const auto& block : model.weights->blocks) {
    for (const auto* weight : {&block.q, &block.kv, &block.o, &block.gate_up, &block.down}) {
      add(*weight);
    }
  }
  add(model.weights->head);
  return all;
}

class KeptWeights : public testing::Test {
 protected:
  KeptWeights() {
    const fs::path reference = fs::path(test::source_dir()) / "models/reference";
    fs::copy(reference, model_, fs::copy_options::recursive);
    options_ = {.folder = model_, .packed_cache = {.folder = kept_}};
    expected_ = load({.folder = model_});
  }

  struct Start {
    std::vector<float> products;
    std::string writer;
    bool operator==(const Start&) const = default;
  };
  Start load(const ModelOptions& options) {
    const auto model = load_model(context_, options);
    return {products(context_, *model), model->writer_hash};
  }
  Start load() { return load(options_); }

  [[nodiscard]] std::vector<fs::path> files(const std::string& extension) const {
    std::vector<fs::path> found;
    if (!fs::exists(kept_)) return found;
    for (const auto& entry : fs::directory_iterator(kept_)) {
      if (entry.path().extension() == extension) found.push_back(entry.path());
    }
    return found;
  }
  /// The one file.
  [[nodiscard]] fs::path file() const {
    const std::vector<fs::path> found = files(".packed");
    EXPECT_EQ(found.size(), 1U);
    return found.empty() ? fs::path() : found.front();
  }
  static void write(const fs::path& path, const std::string& bytes) {
    fs::remove(path);  // what is mapped stays as it is
    std::ofstream(path, std::ios::binary) << bytes;
  }
  /// Whether the next start takes what is kept: other weights are put there for it.
  bool is_taken() {
    const fs::path path = file();
    const std::string good = read_file(path);
    std::string other = good;
    const size_t weights =
        read_packed_index(std::as_bytes(std::span(good)), path).entries.back().offset;
    std::fill(other.begin(), other.begin() + static_cast<std::ptrdiff_t>(weights), '\0');
    write(path, other);
    const bool taken = load().products != expected_.products;
    if (taken) write(path, good);
    return taken;
  }

  Context context_ = Context({.threads = 2});
  TempFolder folder_;
  fs::path model_ = folder_.path() / "model";
  fs::path kept_ = folder_.path() / "cache" / "packed";
  ModelOptions options_;
  Start expected_;
};

TEST_F(KeptWeights, TheSecondStartTakesWhatTheFirstOnePacked) {
  EXPECT_EQ(load(), expected_);
  const fs::path path = file();
  fs::create_hard_link(path, folder_.path() / "first");
  EXPECT_EQ(load(), expected_);
  EXPECT_TRUE(fs::equivalent(path, folder_.path() / "first"));
  EXPECT_TRUE(is_taken());
}

TEST_F(KeptWeights, NothingIsKeptUnlessAskedForOrForASmallModel) {
  load({.folder = model_});
  EXPECT_TRUE(files(".packed").empty());
  options_.packed_cache.min_bytes = int64_t{1} << 30;
  EXPECT_EQ(load(), expected_);
  EXPECT_TRUE(files(".packed").empty());
}

TEST_F(KeptWeights, TorchFilesCountAsWeights) {
  const model::SafetensorsFile safe(model_ / "model.safetensors");
  std::vector<std::pair<std::string, TensorView>> tensors;
  for (const std::string& name : safe.names()) tensors.emplace_back(name, safe.get(name));
  write(model_ / "pytorch_model.bin", test::torch_bytes(tensors));
  fs::remove(safe.path());
  options_.packed_cache.min_bytes = int64_t{1} << 20;
  EXPECT_EQ(load(), expected_);
  EXPECT_TRUE(is_taken());
}

TEST_F(KeptWeights, WhatReadsOnlyTakesItsPartAndKeepsNoHalfOfAModel) {
  options_.writer_only = true;
  const Start half = load();
  EXPECT_EQ(half.writer, expected_.writer);
  EXPECT_TRUE(files(".packed").empty());
  options_.writer_only = false;
  load();
  options_.writer_only = true;
  EXPECT_EQ(load(), half);
  const std::string good = read_file(file());
  std::string other = good;
  std::fill(other.begin(), other.begin() + 4096, '\0');
  write(file(), other);
  EXPECT_NE(load().products, half.products) << "it packed its own";
}

TEST_F(KeptWeights, EachTypeAndAdapterHasItsOwn) {
  const Start bf16 = load();
  options_.dtype = DType::f32;
  const Start f32 = load();
  EXPECT_EQ(files(".packed").size(), 2U);
  EXPECT_NE(bf16.products, f32.products);
  EXPECT_EQ(load(), f32);
  options_.dtype = DType::bf16;
  options_.settings = model::find_settings(model_, model::load_config(model_), {});
  ASSERT_FALSE(options_.settings->adapter.empty());
  options_.settings->adapter.clear();
  const Start base = load();
  EXPECT_EQ(files(".packed").size(), 3U);
  EXPECT_NE(base.products, bf16.products);
  EXPECT_EQ(base.writer, bf16.writer);
  EXPECT_EQ(load(), base);
}

TEST_F(KeptWeights, ChangedFilesArePackedAnew) {
  load();
  EXPECT_TRUE(is_taken());
  for (const char* name :
       {"model.safetensors", "config.json", "adapter/upper_layers.safetensors"}) {
    const fs::path touched = model_ / name;
    fs::last_write_time(touched, fs::last_write_time(touched) + std::chrono::seconds(2));
    EXPECT_FALSE(is_taken()) << name;
    EXPECT_TRUE(is_taken()) << "the one that came in its place: " << name;
  }
}

TEST_F(KeptWeights, WhatWasNotTakenForAMonthGoes) {
  load();
  const fs::path path = file();
  const fs::path others = kept_ / "film.packed";
  fs::copy_file(path, others);
  const auto old = fs::file_time_type::clock::now() - std::chrono::days(31);
  for (const fs::path& kept : {path, others}) fs::last_write_time(kept, old);
  load();
  EXPECT_GT(fs::last_write_time(path), old + std::chrono::days(30)) << "it was taken";
  fs::last_write_time(path, old);
  options_.dtype = DType::f32;
  load();
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(fs::exists(others));
}

TEST_F(KeptWeights, BothFilesOfAnAdapterThatIsNamedByOneOfThemCount) {
  options_.settings = model::find_settings(model_, model::load_config(model_), {});
  const fs::path adapter = model_ / "adapter";
  options_.settings->adapter = adapter / "upper_layers.safetensors";
  load();
  std::ofstream(adapter / "adapter_config.json") << "{}";
  options_.settings->adapter = adapter / "upper_layers.safetensors";
  EXPECT_FALSE(PackedCache({.folder = kept_}, {.model = model_,
                                               .adapter = options_.settings->adapter,
                                               .memory_layer = options_.settings->memory_layer,
                                               .threads = context_.threads()})
                   .find());
  fs::remove(adapter / "adapter_config.json");
  EXPECT_TRUE(PackedCache({.folder = kept_}, {.model = model_,
                                              .adapter = options_.settings->adapter,
                                              .memory_layer = options_.settings->memory_layer,
                                              .threads = context_.threads()})
                  .find());
}

TEST_F(KeptWeights, AModelThatChangesWhileItIsReadIsNotKept) {
  const PackedSource source{.model = model_, .memory_layer = 4};
  const PackedCache cache({.folder = kept_}, source);
  const auto packed = cache.make();
  ASSERT_NE(packed, nullptr);
  EXPECT_TRUE(cache.unchanged());
  const fs::path touched = model_ / "model.safetensors";
  fs::last_write_time(touched, fs::last_write_time(touched) + std::chrono::seconds(2));
  EXPECT_FALSE(cache.unchanged());
  EXPECT_FALSE(cache.keep(*packed, "writer"));
  EXPECT_TRUE(files(".packed").empty());
}

TEST_F(KeptWeights, AnotherLayoutIsPackedAnew) {
  load();
  const fs::path path = file();
  const std::string good = read_file(path);
  PackedIndex index = read_packed_index(std::as_bytes(std::span(good)), path);
  const size_t weights = index.entries.back().offset + index.entries.back().bytes;
  const std::string zeros(weights, '\0');
  const auto check = [&](const std::vector<PackedEntry>& entries) {
    write(path, zeros + packed_index(index.about, entries));
    EXPECT_EQ(load(), expected_);
    EXPECT_EQ(load(), expected_);
  };
  std::vector<PackedEntry> entries = index.entries;
  entries[3].layout += " of another processor";
  check(entries);
  entries = index.entries;
  entries[5].bytes -= 64;
  check(entries);
  entries = index.entries;
  entries.resize(entries.size() / 2);
  check(entries);
}

TEST_F(KeptWeights, GarbageIsRefusedAndReplaced) {
  load();
  const fs::path path = file();
  const std::string good = read_file(path);
  std::string flipped = good;
  flipped[good.size() - 200] ^= 1;
  std::string version = good;
  version[good.size() - 12] ^= 2;
  for (const std::string& bytes :
       {std::string(), std::string("short"), good.substr(0, good.size() / 2),
        good.substr(0, good.size() - 1), good.substr(good.size() / 2), std::string(100000, 'x'),
        flipped, version}) {
    write(path, bytes);
    EXPECT_EQ(load(), expected_) << bytes.size();
    EXPECT_EQ(read_file(path), good) << bytes.size();
  }
}

TEST_F(KeptWeights, AFolderInTheWayOrNoPermissionIsNoReasonNotToStart) {
  load();
  const fs::path path = file();
  fs::remove(path);
  fs::create_directories(path / "something");
  EXPECT_EQ(load(), expected_);
  EXPECT_TRUE(files(".part").empty());
  folder_.write("plain", "a file");
  options_.packed_cache.folder = folder_.path() / "plain";
  EXPECT_EQ(load(), expected_);
}

TEST_F(KeptWeights, UnfinishedFilesOfDeadProcessesGo) {
  fs::create_directories(kept_);
  const std::string name(32, 'd');
  for (const char* others : {"film.mkv.part", "x.part", "dddd.packed.AbCdEf.part"}) {
    std::ofstream(kept_ / others) << "of another program";
  }
  const pid_t child = ::fork();
  if (child == 0) {
    PackedFileWriter writer(kept_ / (name + ".packed"), 200000);
    std::memset(writer.next(100000, "").memory.get(), 1, 100000);
    ::kill(::getpid(), SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
  ASSERT_EQ(files(".part").size(), 4U);
  EXPECT_TRUE(files(".packed").empty());
  PackedFileWriter alive(kept_ / (name + ".packed"), 10000);
  EXPECT_EQ(files(".part").size(), 4U) << "the dead one's is gone";
  const PackedFileWriter another(kept_ / (name + ".packed"), 10000);
  EXPECT_EQ(files(".part").size(), 5U) << "of two that are at work";
  alive.next(10, "ten");
  EXPECT_THROW(alive.next(8193, "more than the two pages that are left"), Error);
  alive.keep({.key = "k", .writer = "w"});
  PackedFileReader read(kept_ / (name + ".packed"));
  EXPECT_EQ(read.about().key, "k");
  EXPECT_EQ(read.about().writer, "w");
  EXPECT_TRUE(read.next(10, "ten").filled);
  EXPECT_THROW(read.next(10, "ten"), Error) << "there was one";
}

TEST_F(KeptWeights, OnAFullDiskTheModelStartsAndLeavesNothing) {
  context_ = Context({.threads = 1});  // the child process has no threads to wake
  expected_ = load();
  const auto size = static_cast<size_t>(fs::file_size(file()));
  const fs::path source = model_;
  test::SmallDisk::run(folder_.path() / "disk", 3 * size, [&](const test::SmallDisk& disk) {
    options_.packed_cache.folder = disk.path() / "packed";
    kept_ = options_.packed_cache.folder;
    for (const size_t room : {size_t{0}, size / 2, size - 8192}) {
      disk.leave(room);
      EXPECT_EQ(load(), expected_);
      EXPECT_TRUE(files(".packed").empty());
      EXPECT_TRUE(files(".part").empty());
    }
    disk.make_room();
    EXPECT_EQ(load(), expected_);
    EXPECT_EQ(files(".packed").size(), 1U);
  });
}

TEST_F(KeptWeights, WhereFilesAreLimitedTheWeightsArePackedWithoutOne) {
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* handler = std::signal(SIGXFSZ, SIG_IGN);
  for (const rlim_t most : {rlim_t{4096}, rlim_t{5} << 20}) {
    const struct rlimit limit { .rlim_cur = most, .rlim_max = before.rlim_max };
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    const Start start = load();
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_EQ(start, expected_);
    EXPECT_TRUE(files(".packed").empty());
    EXPECT_TRUE(files(".part").empty());
  }
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(load(), expected_);
  EXPECT_TRUE(is_taken());
}

}  // namespace
}  // namespace memlong::engine
