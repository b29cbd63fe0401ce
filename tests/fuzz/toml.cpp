#include <array>
#include <tuple>

#include "fuzz/target.h"
#include "fuzz/targets.h"
#include "model/memory_settings.h"
#include "support/temp_folder.h"
#include "tokenizer/chat_template.h"
#include "tools/common/options.h"
#include "tools/memlong-train/arguments.h"

namespace memlong::fuzz {
namespace {

namespace fs = std::filesystem;
using tools::OptionSet;

const test::TempFolder& folder() {
  static const test::TempFolder made;
  return made;
}

/// An option of every type, most with a default.
struct AllTypes {
  bool flag = true;
  int small = 3;
  int64_t count = -1;
  uint64_t seed = 1;
  float share = 0.5F;
  double rate = 1e-3;
  std::string name = "x";
  fs::path path = "here";
  std::optional<bool> maybe_flag;
  std::optional<int> maybe_small;
  std::optional<int64_t> maybe_count;
  std::optional<uint64_t> maybe_seed;
  std::optional<double> maybe_rate;
  std::optional<std::string> maybe_name;
  std::vector<int64_t> counts = {1, 2};
  std::vector<double> rates;
  std::vector<std::string> names = {"a", "b"};
  std::vector<std::string> stops;
  std::vector<fs::path> paths;
  std::string mode = "on";
  int64_t limit = 5;
  OptionSet set{"memlong-x", "Tries things out."};

  AllTypes() {
    set.group("All");
    set.add("flag", &flag, "");
    set.add("small", &small, "").range(0, 100);
    set.add("count", &count, "");
    set.add("seed", &seed, "");
    set.add("share", &share, "").range(0, 1);
    set.add("rate", &rate, "");
    set.add("name", &name, "");
    set.add("path", &path, "");
    set.add("maybe-flag", &maybe_flag, "");
    set.add("maybe-small", &maybe_small, "");
    set.add("maybe-count", &maybe_count, "");
    set.add("maybe-seed", &maybe_seed, "");
    set.add("maybe-rate", &maybe_rate, "");
    set.add("maybe-name", &maybe_name, "");
    set.add("counts", &counts, "");
    set.add("rates", &rates, "");
    set.add("names", &names, "");
    set.add("stops", &stops, "").verbatim();
    set.add("paths", &paths, "");
    set.add("mode", &mode, "").choices({"on", "off"});
    set.command("list", "Lists.").add("limit", &limit, "").range(0, 1e15);
  }

  [[nodiscard]] auto values() const {
    return std::tie(flag, small, count, seed, share, rate, name, path, maybe_flag, maybe_small,
                    maybe_count, maybe_seed, maybe_rate, maybe_name, counts, rates, names, stops,
                    paths, mode, limit);
  }
};

void parse(OptionSet& set, const char* command, const std::string& file) {
  const std::array words = {"memlong-x", command, "--config", file.c_str()};
  require(set.parse(static_cast<int>(words.size()), words.data()), "nothing was asked for");
}

/// What --dump-config prints gives the same values again.
void check_options(const std::string& file) {
  AllTypes first;
  if (!accepted({ErrorKind::usage}, [&] { parse(first.set, "list", file); })) return;
  require(first.small >= 0 && first.small <= 100 && first.share >= 0 && first.share <= 1 &&
              (first.mode == "on" || first.mode == "off"),
          "a value out of its range");
  AllTypes second;
  parse(second.set, "list", folder().write("dump.toml", tools::format_config(first.set)));
  require(first.values() == second.values(), "--dump-config changes a value");
}

model::ModelConfig eight_layers() {
  model::ModelConfig config;
  config.layers = 8;
  config.max_positions = 2048;
  config.bos = 1;
  return config;
}

/// memlong.toml
void check_settings(const std::string& file) {
  const model::MemorySettings base =
      model::find_settings(folder() / "no-such-model", eight_layers(), {});
  const auto read = value_of({ErrorKind::config}, [&] {
    const auto settings = model::read_settings(file, base);
    model::check_settings(settings, eight_layers());
    return settings;
  });
  if (!read) return;
  require(read->chunk >= 1 && read->chunk <= read->overlap && read->overlap < read->window &&
              read->reading_layers.back() < 8,
          "settings that do not fit each other");
  const auto names = tokenizer::chat_template_names();
  if (std::find(names.begin(), names.end(), read->chat_template) == names.end()) return;
  const auto again = model::read_settings(folder().write("again.toml", model::settings_text(*read)),
                                          model::MemorySettings());
  const auto values = [](const model::MemorySettings& s) {
    return std::tie(s.memory_layer, s.reading_layers, s.chunk, s.top_k, s.neighbours,
                    s.query_chunks, s.recent_chunks, s.recency, s.embedder, s.window, s.overlap,
                    s.window_bos, s.chat_template);
  };
  require(values(again) == values(*read), "settings changed on the way");
}

/// A dump without the remarks that say where each value came from.
std::string without_sources(const std::string& dump) {
  std::string out;
  for (size_t at = 0; at < dump.size();) {
    const size_t end = dump.find('\n', at);
    std::string line = dump.substr(at, end - at);
    line.resize(std::min(line.size(), line.rfind(" # ")));
    line.resize(line.find_last_not_of(' ') + 1);
    out += line + "\n";
    at = end + 1;
  }
  return out;
}

/// The recipe that a run leaves behind is the one that it was given.
void check_recipe(const std::string& file) {
  train_tool::Arguments first;
  OptionSet options("memlong-train", "");
  train_tool::add_options(options, first);
  const bool taken = accepted({ErrorKind::usage}, [&] {
    parse(options, "run", file);
    train_tool::finish_recipe(options, first);
  });
  if (!taken) return;
  require(!first.recipe.data.entries.empty() && first.recipe.data.rows >= 1, "a recipe of nothing");
  for (const auto& entry : first.recipe.data.entries) {
    require(entry.weight > 0 && entry.path.is_absolute(), "data without weight or place");
  }
  const std::string dump = tools::format_config(options);
  train_tool::Arguments second;
  OptionSet again("memlong-train", "");
  train_tool::add_options(again, second);
  parse(again, "run", folder().write("recipe.toml", dump));
  train_tool::finish_recipe(again, second);
  require(without_sources(tools::format_config(again)) == without_sources(dump),
          "a recipe changed on the way");
  require(first.recipe.data.span.text() == second.recipe.data.span.text() &&
              first.recipe.data.entries.size() == second.recipe.data.entries.size(),
          "a recipe says something else");
}

}  // namespace

void toml(std::string_view input) {
  Input parts(input);
  const int64_t kind = parts.within(0, 2);
  const std::string file = folder().write("in.toml", std::string(parts.rest()));
  if (kind == 0) check_options(file);
  if (kind == 1) check_settings(file);
  if (kind == 2) check_recipe(file);
}

}  // namespace memlong::fuzz
