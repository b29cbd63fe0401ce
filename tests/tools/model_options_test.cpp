// The options of tools that load a model, and the settings that come of them.
#include "tools/common/model_options.h"

#include <gmock/gmock.h>

#include "common/error.h"
#include "tools/option_harness.h"
#include "tools/run_tool.h"

namespace memlong::tools {
namespace {

using testing::ElementsAre;
using tools_test::Environment;
using tools_test::TempFolder;

TEST(ModelOptions, FlagsFillTheCommonOptions) {
  CommonOptions common;
  OptionSet set("memlong-x", "");
  add_model_options(set, common);
  add_memory_options(set, common, "memory-top-k");
  add_output_options(set, common);
  const std::vector<const char*> argv = {"memlong-x", "-m",
                                         "/",         "--dtype",
                                         "f32",       "--reading-layers",
                                         "5,4",       "--window-bos",
                                         "--chunk",   "32",
                                         "--json",    "--memory-top-k",
                                         "3",         "--neighbours",
                                         "1",         "--recency",
                                         "0.5",       "--query-chunks",
                                         "4",         "--recent-chunks",
                                         "6",         "-t",
                                         "2"};
  ASSERT_TRUE(set.parse(static_cast<int>(argv.size()), argv.data()));
  EXPECT_EQ(common.model, "/");
  EXPECT_EQ(compute_dtype(common), DType::f32);
  EXPECT_THAT(common.reading_layers, ElementsAre(5, 4));
  EXPECT_EQ(common.window_bos, true);
  EXPECT_EQ(common.chunk, 32);
  EXPECT_EQ(common.top_k, 3);
  EXPECT_EQ(common.neighbours, 1);
  EXPECT_EQ(common.query_chunks, 4);
  EXPECT_EQ(common.recent_chunks, 6);
  EXPECT_EQ(common.recency, 0.5);
  EXPECT_FALSE(common.overlap.has_value());
  EXPECT_EQ(context_options(common).threads, 2);
  EXPECT_TRUE(common.json);
}

TEST(ModelOptions, GpuMemoryIsASize) {
  CommonOptions common;
  EXPECT_EQ(max_gpu_memory(common), 0);
  common.max_gpu_memory = "1.5GiB";
  EXPECT_EQ(max_gpu_memory(common), int64_t{3} << 29);
  EXPECT_EQ(context_options(common).max_device_bytes, size_t{3} << 29);
  common.max_gpu_memory = "much";
  EXPECT_THROW(apply_output_options(common), Error);
}

TEST(ModelOptions, PackedWeightsAreKeptInTheUsersCache) {
  const CommonOptions by_default;
  const auto folder = [&](const char* cache, const char* home) {
    const Environment xdg("XDG_CACHE_HOME", cache);
    const Environment own("HOME", home);
    return packed_cache(by_default).folder;
  };
  EXPECT_EQ(folder("/cache", "/home/me"), "/cache/memlong/packed");
  EXPECT_EQ(folder("", "/home/me"), "/home/me/.cache/memlong/packed");
  EXPECT_EQ(folder("not/absolute", "/home/me"), "/home/me/.cache/memlong/packed");
  EXPECT_EQ(folder("", ""), "");
  EXPECT_EQ(packed_cache(by_default).min_bytes, int64_t{256} << 20);
  CommonOptions named;
  named.packed_cache = "here";
  EXPECT_EQ(packed_cache(named).folder, "here");
  EXPECT_EQ(packed_cache(named).min_bytes, 0);
  named.packed_cache = "none";
  EXPECT_EQ(packed_cache(named).folder, "");
}

TEST(ModelOptions, OverridesLieOverTheModelsSettings) {
  CommonOptions common;
  common.model = tools_test::reference_model();
  const model::ModelConfig config = model::load_config(common.model);
  const model::MemorySettings own = resolve_settings(common, config);
  EXPECT_EQ(own.memory_layer, 4);
  EXPECT_THAT(own.reading_layers, ElementsAre(4, 5, 6, 7));
  EXPECT_EQ(own.chunk, 64);
  EXPECT_FALSE(own.window_bos);
  EXPECT_FALSE(own.adapter.empty());

  common.memory_layer = 5;
  common.chunk = 32;
  common.window_bos = true;
  common.adapter = "none";
  const model::MemorySettings over = resolve_settings(common, config);
  EXPECT_EQ(over.memory_layer, 5);
  EXPECT_THAT(over.reading_layers, ElementsAre(5, 6, 7)) << "readers below m are left out";
  EXPECT_EQ(over.chunk, 32);
  EXPECT_TRUE(over.window_bos);
  EXPECT_TRUE(over.adapter.empty());

  common.reading_layers = {7, 6};
  EXPECT_THAT(resolve_settings(common, config).reading_layers, ElementsAre(6, 7));
  common.chunk = 4096;
  EXPECT_THROW((void)resolve_settings(common, config), Error) << "a chunk longer than the overlap";
}

TEST(ModelOptions, ConfigsFolderIsFoundOrNamed) {
  const TempFolder folder;
  {
    const Environment named("MEMLONG_CONFIGS", folder.path().string());
    EXPECT_EQ(find_configs(), folder.path());
  }
  const Environment wrong("MEMLONG_CONFIGS", folder / "none");
  EXPECT_THROW((void)find_configs(), Error);
}

}  // namespace
}  // namespace memlong::tools
