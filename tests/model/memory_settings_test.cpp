#include "model/memory_settings.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "support/paths.h"
#include "support/temp_folder.h"

namespace memlong::model {
namespace {

namespace fs = std::filesystem;
using test::TempFolder;
using testing::ElementsAre;
using testing::HasSubstr;

ModelConfig shape(const std::string& architecture, int64_t layers, int64_t hidden, int64_t heads,
                  int64_t kv_heads, int64_t vocab) {
  ModelConfig config;
  config.architecture = architecture;
  config.layers = layers;
  config.hidden = hidden;
  config.heads = heads;
  config.kv_heads = kv_heads;
  config.vocab = vocab;
  config.max_positions = 2048;
  config.bos = 1;
  return config;
}

ModelConfig open_llama() { return shape("LlamaForCausalLM", 26, 3200, 32, 32, 32000); }

fs::path configs() { return fs::path(test::source_dir()) / "configs/models"; }

TEST(Settings, EveryKeyIsRead) {
  const TempFolder folder;
  const fs::path file = folder.write("memlong.toml", R"(
    [memory]
    layer = 4
    reading_layers = [7, 5]
    chunk = 64
    top_k = 3
    neighbours = 2
    query_chunks = 5
    recent_chunks = 6
    recency = 0.25
    embedder = "pooled"
    encoder = "../encoders/minilm"
    [window]
    size = 512
    overlap = 128
    bos = false
    [adapter]
    path = "sub/../adapter"
    [chat]
    template = "memlong"
  )");
  const MemorySettings settings = read_settings(file, {});
  EXPECT_EQ(settings.memory_layer, 4);
  EXPECT_THAT(settings.reading_layers, ElementsAre(5, 7));
  EXPECT_EQ(settings.chunk, 64);
  EXPECT_EQ(settings.top_k, 3);
  EXPECT_EQ(settings.neighbours, 2);
  EXPECT_EQ(settings.query_chunks, 5);
  EXPECT_EQ(settings.recent_chunks, 6);
  EXPECT_EQ(settings.recency, 0.25);
  EXPECT_EQ(settings.set_chunks(), 9);
  EXPECT_EQ(settings.embedder, "pooled");
  EXPECT_EQ(settings.encoder, folder.path().parent_path() / "encoders/minilm");
  EXPECT_EQ(settings.window, 512);
  EXPECT_EQ(settings.overlap, 128);
  EXPECT_FALSE(settings.window_bos);
  EXPECT_EQ(settings.adapter, folder.path() / "adapter");
  EXPECT_EQ(settings.chat_template, "memlong");
  EXPECT_EQ(settings.origin, file.string());
}

TEST(Settings, RecencyIsAnyNumberAndKeepsItsDigits) {
  const TempFolder folder;
  const auto read = [&folder](const std::string& value) {
    return read_settings(folder.write("a.toml", "[memory]\nrecency = " + value), {}).recency;
  };
  EXPECT_EQ(read("1"), 1.0);
  EXPECT_EQ(read("0"), 0.0);
  EXPECT_EQ(read("3e-2"), 0.03);
  EXPECT_THROW(read("\"near\""), Error);
  EXPECT_EQ(read("9223372036854775807"), 0x1p63)
      << "the nearest double; refused as too large later";
  for (const double recency : {0.0, 1.0, 0.1 + 0.2, 1e-20}) {
    MemorySettings settings;
    settings.recency = recency;
    EXPECT_EQ(read_settings(folder.write("b.toml", settings_text(settings)), {}).recency, recency);
  }
}

TEST(Settings, WhatIsNotNamedStaysAsItWas) {
  const TempFolder folder;
  MemorySettings base;
  base.memory_layer = 2;
  base.reading_layers = {2, 3, 4, 5};
  base.chunk = 32;
  base.adapter = "/somewhere";
  const MemorySettings same = read_settings(folder.write("a", ""), base);
  EXPECT_EQ(same.chunk, 32);
  EXPECT_EQ(same.adapter, "/somewhere");
  const MemorySettings moved = read_settings(folder.write("b", "[memory]\nlayer = 4"), base);
  EXPECT_THAT(moved.reading_layers, ElementsAre(4, 5));
}

TEST(Settings, TextOfThemIsReadAgain) {
  MemorySettings settings;
  settings.memory_layer = 4;
  settings.reading_layers = {5, 7};
  settings.chunk = 32;
  settings.top_k = 3;
  settings.neighbours = 1;
  settings.query_chunks = 4;
  settings.recent_chunks = 7;
  settings.recency = 0.03;
  settings.embedder = "pooled";
  settings.encoder = "/a \"place\"\\with\neverything";
  settings.window = 640;
  settings.overlap = 64;
  settings.window_bos = false;
  settings.chat_template = "chatml";
  settings.adapter = "/somewhere";
  const TempFolder folder;
  const MemorySettings back = read_settings(folder.write("a.toml", settings_text(settings)), {});
  EXPECT_EQ(back.memory_layer, 4);
  EXPECT_THAT(back.reading_layers, ElementsAre(5, 7));
  EXPECT_EQ(back.chunk, 32);
  EXPECT_EQ(back.top_k, 3);
  EXPECT_EQ(back.neighbours, 1);
  EXPECT_EQ(back.query_chunks, 4);
  EXPECT_EQ(back.recent_chunks, 7);
  EXPECT_EQ(back.recency, 0.03);
  EXPECT_EQ(back.embedder, "pooled");
  EXPECT_EQ(back.encoder, settings.encoder);
  EXPECT_EQ(back.window, 640);
  EXPECT_EQ(back.overlap, 64);
  EXPECT_FALSE(back.window_bos);
  EXPECT_EQ(back.chat_template, "chatml");
  EXPECT_TRUE(back.adapter.empty()) << "a new folder has no adapter";
}

TEST(Settings, ErrorsNameFileAndKey) {
  const std::pair<const char*, const char*> table[] = {
      {"[memory]\nlayr = 4", "[memory] has an unknown key, layr"},
      {"[memori]", "unknown table or key, memori"},
      {"layer = 4", "unknown table or key, layer"},
      {"memory = 4", "memory is not a table"},
      {"[memory]\nlayer = 4.0", "[memory] layer must be a whole number"},
      {"[memory]\nlayer = \"4\"", "[memory] layer must be a whole number"},
      {"[memory]\nreading_layers = 4", "[memory] reading_layers must be a list"},
      {"[memory]\nreading_layers = [4, 5.5]", "[memory] reading_layers must be a list"},
      {"[memory]\nembedder = 1", "[memory] embedder must be a string"},
      {"[window]\nbos = 1", "[window] bos must be true or false"},
      {"[adapter]\nfile = \"x\"", "[adapter] has an unknown key, file"},
      {"[memory]\nlayer =", "line 2"},
      {"[memory", "line 1"},
  };
  const TempFolder folder;
  for (const auto& [text, message] : table) {
    try {
      read_settings(folder.write("memlong.toml", text), {});
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::config);
      EXPECT_THAT(error.what(), HasSubstr(message));
      EXPECT_THAT(error.what(), HasSubstr("memlong.toml"));
      EXPECT_THAT(error.what(), testing::Not(HasSubstr("\n")));
    }
  }
}

TEST(Settings, KnownModelsAreFoundByShape) {
  const TempFolder folder;
  const auto find = [&](const ModelConfig& config) {
    const MemorySettings settings = find_settings(folder.path(), config, configs());
    EXPECT_NO_THROW(check_settings(settings, config)) << settings.origin;
    return settings;
  };
  const MemorySettings memlong = find(open_llama());
  EXPECT_EQ(fs::path(memlong.origin).filename(), "openllama-3b-v2.toml");
  EXPECT_EQ(memlong.memory_layer, 13);
  EXPECT_THAT(memlong.reading_layers, ElementsAre(13, 17, 21, 25));
  EXPECT_EQ(memlong.chunk, 128);
  EXPECT_EQ(memlong.top_k, 8);
  EXPECT_EQ(memlong.window, 2048);
  EXPECT_EQ(memlong.overlap, 512);
  const auto name = [&](const ModelConfig& config) {
    return fs::path(find(config).origin).filename().string();
  };
  EXPECT_EQ(name(shape("LlamaForCausalLM", 22, 2048, 32, 4, 32000)), "tinyllama-1.1b.toml");
  EXPECT_EQ(name(shape("LlamaForCausalLM", 32, 4096, 32, 32, 32000)), "llama-2-7b.toml");
  EXPECT_EQ(name(shape("MistralForCausalLM", 32, 4096, 32, 8, 32768)), "mistral-7b.toml");
  EXPECT_EQ(name(shape("Qwen2ForCausalLM", 24, 896, 14, 2, 151936)), "qwen2-0.5b.toml");
  EXPECT_EQ(name(shape("Qwen2ForCausalLM", 28, 1536, 12, 2, 151936)), "qwen2.toml");
  EXPECT_EQ(name(shape("LlamaForCausalLM", 32, 4096, 32, 8, 128256)), "llama-3-8b.toml");
  EXPECT_EQ(name(shape("LlamaForCausalLM", 16, 2048, 32, 8, 128256)), "llama-3.2-1b.toml");
  EXPECT_EQ(name(shape("LlamaForCausalLM", 28, 3072, 24, 8, 128256)), "llama-3.2-3b.toml");
  EXPECT_EQ(name(shape("LlamaForCausalLM", 30, 576, 9, 3, 49152)), "smollm2.toml");
  EXPECT_EQ(name(shape("LlamaForCausalLM", 8, 256, 4, 2, 4096)), "reference.toml");
  EXPECT_FALSE(find(shape("Qwen2ForCausalLM", 28, 1536, 12, 2, 151936)).window_bos);
}

TEST(Settings, AShapeThatNobodyKnowsGetsDefaults) {
  const TempFolder folder;
  ModelConfig config = shape("LlamaForCausalLM", 6, 64, 3, 1, 97);
  config.max_positions = 64;
  const MemorySettings settings = find_settings(folder.path(), config, configs());
  EXPECT_NO_THROW(check_settings(settings, config));
  EXPECT_EQ(settings.memory_layer, 3);
  EXPECT_THAT(settings.reading_layers, ElementsAre(3, 4, 5));
  EXPECT_EQ(settings.window, 64);
  EXPECT_EQ(settings.chunk, 8);
  EXPECT_EQ(settings.overlap, 16);
  EXPECT_TRUE(settings.window_bos);
  const MemorySettings known = find_settings(folder.path(), open_llama(), {});
  EXPECT_EQ(known.chunk, 128);
  EXPECT_EQ(known.overlap, 512);
}

TEST(Settings, TheFoldersOwnFileComesFirst) {
  const fs::path folder = fs::path(test::source_dir()) / "models/reference";
  const ModelConfig config = load_config(folder);
  const MemorySettings settings = find_settings(folder, config, configs());
  EXPECT_EQ(settings.origin, (folder / "memlong.toml").string());
  EXPECT_EQ(settings.adapter, folder / "adapter");
  EXPECT_NO_THROW(check_settings(settings, config));
  const MemorySettings copy = read_settings(configs() / "reference.toml", {});
  EXPECT_EQ(copy.reading_layers, settings.reading_layers);
  EXPECT_EQ(copy.chunk, settings.chunk);
  EXPECT_EQ(copy.top_k, settings.top_k);
  EXPECT_EQ(copy.neighbours, settings.neighbours);
  EXPECT_EQ(copy.query_chunks, settings.query_chunks);
  EXPECT_EQ(copy.recent_chunks, settings.recent_chunks);
  EXPECT_EQ(copy.recency, settings.recency);
  EXPECT_EQ(copy.window, settings.window);
  EXPECT_EQ(copy.overlap, settings.overlap);
  EXPECT_EQ(copy.window_bos, settings.window_bos);
}

TEST(Settings, WhatDoesNotFitTheModelIsRefused) {
  const ModelConfig config = open_llama();
  const MemorySettings good = read_settings(configs() / "openllama-3b-v2.toml", {});
  const auto refused = [&](auto change) -> std::string {
    MemorySettings settings = good;
    change(settings);
    try {
      check_settings(settings, config);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::config);
      return error.what();
    }
    return "";
  };
  using S = MemorySettings;
  EXPECT_EQ(refused([](S&) {}), "");
  EXPECT_THAT(refused([](S& s) { s.memory_layer = 26; }), HasSubstr("[memory] layer"));
  EXPECT_THAT(refused([](S& s) { s.memory_layer = -1; }), HasSubstr("[memory] layer"));
  EXPECT_THAT(refused([](S& s) { s.reading_layers = {12, 13}; }), HasSubstr("names 12"));
  EXPECT_THAT(refused([](S& s) { s.reading_layers = {13, 26}; }), HasSubstr("names 26"));
  EXPECT_THAT(refused([](S& s) { s.reading_layers = {13, 13}; }), HasSubstr("twice"));
  EXPECT_THAT(refused([](S& s) { s.reading_layers = {}; }), HasSubstr("is empty"));
  EXPECT_THAT(refused([](S& s) { s.chunk = 0; }), HasSubstr("[memory] chunk"));
  EXPECT_THAT(refused([](S& s) { s.chunk = 513; }), HasSubstr("[window] overlap"));
  EXPECT_THAT(refused([](S& s) { s.top_k = 0; }), HasSubstr("[memory] top_k"));
  EXPECT_THAT(refused([](S& s) { s.query_chunks = 0; }), HasSubstr("[memory] query_chunks is 0"));
  EXPECT_THAT(refused([](S& s) { s.query_chunks = 4097; }), HasSubstr("from 1 to 4096"));
  EXPECT_THAT(refused([](S& s) { s.recency = -0.1; }), HasSubstr("[memory] recency is -0.1"));
  EXPECT_THAT(refused([](S& s) { s.recency = 1.1; }), HasSubstr("from 0 to 1"));
  EXPECT_THAT(refused([](S& s) { s.recency = std::nan(""); }), HasSubstr("[memory] recency"));
  EXPECT_THAT(refused([](S& s) { s.recent_chunks = -1; }), HasSubstr("[memory] recent_chunks is"));
  EXPECT_THAT(refused([](S& s) { s.recent_chunks = 4097; }), HasSubstr("from 0 to 4096"));
  EXPECT_THAT(refused([](S& s) { s.neighbours = -1; }), HasSubstr("[memory] neighbours"));
  EXPECT_THAT(refused([](S& s) { s.neighbours = s.top_k + 1; }), HasSubstr("[memory] neighbours"));
  EXPECT_THAT(refused([](S& s) { s.embedder = "bge"; }), HasSubstr("[memory] embedder"));
  EXPECT_THAT(refused([](S& s) { s.embedder = "encoder"; }), HasSubstr("with --encoder DIR"));
  EXPECT_THAT(refused([](S& s) { s.window = 2049; }), HasSubstr("[window] size"));
  EXPECT_THAT(refused([](S& s) { s.window = 512; }), HasSubstr("would not get on"));
  EXPECT_THAT(refused([](S& s) { s.overlap = 2047; }), HasSubstr("would not get on"));
}

TEST(Settings, AWindowIsNoLongerThanSlidingAttentionSees) {
  const TempFolder folder;  // no memlong.toml
  ModelConfig config = shape("MistralForCausalLM", 4, 256, 4, 2, 4096);
  config.sliding_window = 100;
  EXPECT_EQ(find_settings(folder.path(), config, {}).window, 2048) << "no layer of it slides";
  config.attention_rows = 100;
  MemorySettings settings = find_settings(folder.path(), config, {});
  EXPECT_EQ(settings.window, 100);
  check_settings(settings, config);
  settings.window = 101;
  try {
    check_settings(settings, config);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::config);
    EXPECT_THAT(error.what(), HasSubstr("2 to 100 tokens, which is what its layers with sliding"));
  }
}

TEST(Settings, StretchedPositionsAreNotStretchedTwice) {
  ModelConfig config = open_llama();
  config.max_positions = 32768;
  EXPECT_EQ(longest_window(config), 32768);
  config.rope.scaling = ops::RopeScaling::yarn;
  config.rope.factor = 4.0;
  config.rope.original_positions = 32768;  // Qwen2.5, as its page says to write it
  EXPECT_EQ(longest_window(config), 131072);
  config.max_positions = 131072;  // the same, written the other way
  EXPECT_EQ(longest_window(config), 131072);
  config.rope.scaling = ops::RopeScaling::dynamic;
  EXPECT_EQ(longest_window(config), 131072);
  config.rope.scaling = ops::RopeScaling::linear;  // which of the two lengths it is nobody says
  EXPECT_EQ(longest_window(config), 131072);
  config.rope.scaling = ops::RopeScaling::llama3;
  config.rope.original_positions = 8192;
  EXPECT_EQ(longest_window(config), 131072);
}

}  // namespace
}  // namespace memlong::model
