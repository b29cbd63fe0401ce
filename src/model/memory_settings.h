// The memory settings that belong to a model (`memlong.toml`).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "model/config.h"

namespace memlong::model {

struct MemorySettings {
  int64_t memory_layer = 0;             ///< m: its K and V are stored
  std::vector<int64_t> reading_layers;  ///< sorted, all >= m
  int64_t chunk = 128;                  ///< tau, tokens
  int64_t top_k = 8;                    ///< chunks retrieved for a segment
  int64_t neighbours = 0;               ///< of these so many bring the chunks beside them
  int64_t query_chunks = 1;             ///< whole chunks before a segment of text that ask for it
  int64_t recent_chunks = 0;            ///< chunks right before the window that text reads besides
  double recency = 0.0;                 ///< what a score loses there for each doubling of distance
  std::string embedder = "sif";         ///< "sif", "pooled" or "encoder"
  std::filesystem::path encoder;        ///< folder of that encoder, absolute; empty: none
  int64_t window = 2048;                ///< W, tokens
  int64_t overlap = 512;                ///< tokens of a window that the next one reads again
  bool window_bos = true;               ///< every window starts with BOS, which is in no chunk
  bool window_bos_said = false;         ///< by a file or a flag; else the tokenizer decides
  std::filesystem::path adapter;        ///< default adapter, absolute; empty: none
  std::string chat_template;            ///< empty: recognised from tokenizer_config.json
  std::string origin;                   ///< the file they come from, for messages and --dump-config

  /// The most chunks that a segment reads.
  [[nodiscard]] int64_t set_chunks() const { return top_k + recent_chunks; }
};

/// Reads the [memory], [window], [adapter], [chat] tables of a TOML file, over `base`. An unknown
/// key is an error that names it. Errors: io, config.
MemorySettings read_settings(const std::filesystem::path& file, const MemorySettings& base);

/// The same tables as text, the adapter left out: a memlong.toml for a new model folder.
std::string settings_text(const MemorySettings& settings);

/// The settings of a model folder: its own memlong.toml; else the file of `configs/models/` whose
/// [match] table (architecture, layers, hidden, heads, vocab: those that are given) fits; else
/// defaults from the shape (m = L/2, reading layers m..L-1, window = min(max_positions, 2048),
/// chunk 128 or window/8, overlap window/4). `configs` may be empty: no such folder is at hand.
MemorySettings find_settings(const std::filesystem::path& folder, const ModelConfig& config,
                             const std::filesystem::path& configs);

/// The longest window that is computed right: as many positions as the model tells apart, and no
/// more than its layers with sliding attention see. Frequencies that are stretched reach `factor`
/// times their original positions, where the file says those (else max_position_embeddings); of
/// `linear`, whose files name either length, what max_position_embeddings says.
int64_t longest_window(const ModelConfig& config);

/// Checks them against the model and each other: m < L, reading layers in [m, L), chunk <= overlap
/// < window, top_k >= 1, neighbours <= top_k, query_chunks >= 1, recent_chunks >= 0, 0 <= recency
/// <= 1, window a whole number of tokens that leaves room to advance ... Errors: config, naming the
/// key.
void check_settings(const MemorySettings& settings, const ModelConfig& config);

}  // namespace memlong::model
