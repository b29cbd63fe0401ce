// Reading memlong.toml, and finding the one that fits a model.
#include <algorithm>
#include <array>
#include <sstream>

#include <toml++/toml.h>

#include "common/error.h"
#include "common/file.h"
#include "model/memory_settings.h"

namespace memlong::model {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxSettingsBytes = size_t{1} << 20;

[[noreturn]] void refuse(const std::string& origin, const std::string& what) {
  fail(ErrorKind::config, origin + ": " + what);
}

toml::table parse_file(const fs::path& file) {
  const std::string content = read_file(file, kMaxSettingsBytes);
  try {
    return toml::parse(content, file.string());
  } catch (const toml::parse_error& error) {
    refuse(file.string(), "line " + std::to_string(error.source().begin.line) + ": " +
                              std::string(error.description()));
  }
}

/// One table of the file; take every key that is known, then finish() refuses the others.
class Section {
 public:
  Section(const toml::table& root, std::string name, std::string origin)
      : table_(root[name].as_table()), name_(std::move(name)), origin_(std::move(origin)) {
    if (root.contains(name_) && table_ == nullptr) refuse(origin_, name_ + " is not a table");
  }

  template <class T>
  bool take(const std::string& key, T& value, const char* kind) {
    const toml::node* node = find(key);
    if (node == nullptr) return false;
    const auto found = node->value_exact<T>();
    if (!found) refuse_kind(key, kind);
    value = *found;
    return true;
  }
  /// Of a file or folder, counted from `folder`; "": none.
  void take_path(const std::string& key, const fs::path& folder, fs::path& value) {
    std::string path;
    if (!take(key, path, "a string")) return;
    value = path.empty() ? fs::path() : fs::absolute(folder / path).lexically_normal();
  }
  bool take_integer(const std::string& key, int64_t& value) {
    return take(key, value, "a whole number");
  }
  /// Of a whole number, too.
  bool take_number(const std::string& key, double& value) {
    const toml::node* node = find(key);
    if (node == nullptr) return false;
    if (const auto whole = node->value_exact<int64_t>()) {
      value = static_cast<double>(*whole);
    } else if (const auto number = node->value_exact<double>()) {
      value = *number;
    } else {
      refuse_kind(key, "a number");
    }
    return true;
  }
  bool take_integers(const std::string& key, std::vector<int64_t>& values) {
    const toml::node* node = find(key);
    if (node == nullptr) return false;
    const toml::array* list = node->as_array();
    if (list == nullptr) refuse_kind(key, "a list of whole numbers");
    values.clear();
    for (const toml::node& item : *list) {
      const auto number = item.value_exact<int64_t>();
      if (!number) refuse_kind(key, "a list of whole numbers");
      values.push_back(*number);
    }
    return true;
  }

  void finish() const {
    if (table_ == nullptr) return;
    for (const auto& [key, node] : *table_) {
      if (std::find(known_.begin(), known_.end(), key.str()) == known_.end()) {
        refuse(origin_, "[" + name_ + "] has an unknown key, " + std::string(key.str()));
      }
    }
  }

 private:
  const toml::node* find(const std::string& key) {
    known_.push_back(key);
    return table_ == nullptr ? nullptr : table_->get(key);
  }
  [[noreturn]] void refuse_kind(const std::string& key, const char* kind) const {
    refuse(origin_, "[" + name_ + "] " + key + " must be " + kind);
  }

  const toml::table* table_;
  std::string name_;
  std::string origin_;
  std::vector<std::string> known_;
};

void read_memory(Section section, const fs::path& folder, MemorySettings& settings) {
  const bool moved = section.take_integer("layer", settings.memory_layer);
  const bool named = section.take_integers("reading_layers", settings.reading_layers);
  section.take_integer("chunk", settings.chunk);
  section.take_integer("top_k", settings.top_k);
  section.take_integer("neighbours", settings.neighbours);
  section.take_integer("query_chunks", settings.query_chunks);
  section.take_integer("recent_chunks", settings.recent_chunks);
  section.take_number("recency", settings.recency);
  section.take("embedder", settings.embedder, "a string");
  section.take_path("encoder", folder, settings.encoder);
  section.finish();
  std::vector<int64_t>& layers = settings.reading_layers;
  if (moved && !named) {  // of those of the base, the ones that can still read
    std::erase_if(layers, [&](int64_t layer) { return layer < settings.memory_layer; });
  }
  std::sort(layers.begin(), layers.end());
}

/// Whether a [match] table fits; a file without one fits nothing.
bool matches(const toml::table& root, const ModelConfig& config, const std::string& origin) {
  if (!root.contains("match")) return false;
  Section section(root, "match", origin);
  std::string architecture = config.architecture;
  section.take("architecture", architecture, "a string");
  bool fits = architecture == config.architecture;
  const std::array<std::pair<const char*, int64_t>, 6> numbers = {{{"layers", config.layers},
                                                                   {"hidden", config.hidden},
                                                                   {"ffn", config.ffn},
                                                                   {"heads", config.heads},
                                                                   {"kv_heads", config.kv_heads},
                                                                   {"vocab", config.vocab}}};
  for (const auto& [key, actual] : numbers) {
    int64_t wanted = actual;
    section.take_integer(key, wanted);
    fits = fits && wanted == actual;
  }
  section.finish();
  return fits;
}

MemorySettings defaults_for(const ModelConfig& config) {
  MemorySettings settings;
  settings.memory_layer = config.layers / 2;
  for (int64_t i = settings.memory_layer; i < config.layers; ++i) {
    settings.reading_layers.push_back(i);
  }
  settings.window = std::min({config.max_positions, longest_window(config), int64_t{2048}});
  settings.chunk = std::clamp<int64_t>(settings.window / 8, 1, 128);
  settings.overlap = std::max(settings.window / 4, settings.chunk);
  settings.window_bos = config.bos >= 0;
  settings.origin = "defaults from the model's shape";
  return settings;
}

std::vector<fs::path> toml_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".toml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

MemorySettings read_settings(const fs::path& file, const MemorySettings& base) {
  const toml::table root = parse_file(file);
  const std::string origin = file.string();
  for (const auto& [key, node] : root) {
    const std::string_view name = key.str();
    if (name != "match" && name != "memory" && name != "window" && name != "adapter" &&
        name != "chat") {
      refuse(origin, "has an unknown table or key, " + std::string(name));
    }
  }
  MemorySettings settings = base;
  settings.origin = origin;
  read_memory(Section(root, "memory", origin), file.parent_path(), settings);
  Section window(root, "window", origin);
  window.take_integer("size", settings.window);
  window.take_integer("overlap", settings.overlap);
  if (window.take("bos", settings.window_bos, "true or false")) settings.window_bos_said = true;
  window.finish();
  Section adapter(root, "adapter", origin);
  adapter.take_path("path", file.parent_path(), settings.adapter);
  adapter.finish();
  Section chat(root, "chat", origin);
  chat.take("template", settings.chat_template, "a string");
  chat.finish();
  return settings;
}

MemorySettings find_settings(const fs::path& folder, const ModelConfig& config,
                             const fs::path& configs) {
  MemorySettings base = defaults_for(config);
  std::error_code ignored;
  const fs::path own = folder / "memlong.toml";
  if (fs::exists(own, ignored)) return read_settings(own, base);
  if (!configs.empty()) {
    for (const fs::path& file : toml_files(configs)) {
      if (matches(parse_file(file), config, file.string())) return read_settings(file, base);
    }
  }
  return base;
}

}  // namespace memlong::model
