// Texts that the stress test reads into banks again and again, and what each of them becomes there.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/hash.h"
#include "engine/ingest.h"
#include "engine/loaded_model.h"
#include "membank/bank.h"
#include "support/temp_folder.h"

namespace memlong::engine::stress {

inline constexpr const char* kTextSpace = "texts";

struct KnownChunk {
  int64_t begin = 0;
  std::vector<int32_t> ids;
  std::vector<float> vector;
  Tensor k;  ///< of the bank's dtype
  Tensor v;
};

struct KnownText {
  Source source;
  std::string text;
  Digest hash{};
  std::vector<KnownChunk> chunks;
};

/// The reference model with short windows and chunks, so that little text makes many chunks.
std::shared_ptr<const LoadedModel> small_window_model(Context& context);

/// A chunk as a snapshot has it, K and V in the dtype of the bank. Its `ids` are empty when it is
/// not there.
KnownChunk stored_chunk(const membank::Snapshot& snapshot, const membank::Fingerprint& fingerprint,
                        const membank::ChunkInfo& info);

/// "" when both are the same, bit by bit; else what differs.
std::string difference(const KnownChunk& stored, const KnownChunk& known);

/// Immutable once made: read by all threads.
class KnownTexts {
 public:
  /// Writes `count` texts into `folder` and reads each into a bank of its own, while nothing else
  /// happens.
  KnownTexts(Context& context, const std::shared_ptr<const LoadedModel>& model,
             const test::TempFolder& folder, int count);
  [[nodiscard]] size_t size() const { return texts_.size(); }
  [[nodiscard]] const KnownText& operator[](size_t i) const { return texts_[i]; }
  /// Null: no such text.
  [[nodiscard]] const KnownText* find(const std::string& name) const;

 private:
  std::vector<KnownText> texts_;
};

}  // namespace memlong::engine::stress
