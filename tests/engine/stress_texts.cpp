#include "engine/stress_texts.h"

#include <cstring>
#include <stdexcept>

#include "support/paths.h"

namespace memlong::engine::stress {
namespace {

std::string make_text(int number) {
  const std::vector<std::string> places = {"harbour", "mill", "market", "school", "bridge", "inn"};
  std::string text = "The story of number " + std::to_string(number) + ".\n\n";
  const int lines = 6 + number * 7 % 40;
  for (int i = 0; i < lines; ++i) {
    text += "On day " + std::to_string(i + 1) + " the keeper of the " +
            places[static_cast<size_t>(number + i) % places.size()] + " counted " +
            std::to_string(number * 100 + i) + " lamps and went home.\n";
  }
  return text;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(a.view().raw(), b.view().raw(), a.bytes()) == 0;
}

}  // namespace

std::shared_ptr<const LoadedModel> small_window_model(Context& context) {
  const std::string folder = test::source_dir() + "/models/reference";
  model::MemorySettings settings = model::find_settings(folder, model::load_config(folder), {});
  settings.window = 128;
  settings.overlap = 32;
  settings.chunk = 16;
  settings.top_k = 4;
  return load_model(context, {.folder = folder, .settings = settings});
}

KnownChunk stored_chunk(const membank::Snapshot& snapshot, const membank::Fingerprint& fingerprint,
                        const membank::ChunkInfo& info) {
  KnownChunk chunk{.begin = info.begin, .ids = {}, .vector = {}, .k = {}, .v = {}};
  chunk.k = Tensor({fingerprint.kv_heads, info.tokens, fingerprint.head_dim}, fingerprint.kv_dtype);
  chunk.v = Tensor(chunk.k.shape(), chunk.k.dtype());
  if (!snapshot.read_kv(info.id, chunk.k, chunk.v)) return chunk;
  chunk.ids = snapshot.chunk_tokens(info.id);
  chunk.vector = snapshot.chunk_vector(info.id);
  return chunk;
}

std::string difference(const KnownChunk& stored, const KnownChunk& known) {
  if (stored.begin != known.begin) return "another place";
  if (stored.ids != known.ids) return "other tokens";
  if (stored.vector != known.vector) return "another vector";
  if (!same_bits(stored.k, known.k)) return "other keys";
  return same_bits(stored.v, known.v) ? "" : "other values";
}

KnownTexts::KnownTexts(Context& context, const std::shared_ptr<const LoadedModel>& model,
                       const test::TempFolder& folder, int count) {
  std::vector<Source> sources;
  for (int i = 0; i < count; ++i) {
    KnownText text;
    text.text = make_text(i);
    text.hash = sha256(text.text);
    text.source.name = "text-" + std::to_string(i);
    text.source.path = folder.write("texts/" + text.source.name, text.text);
    text.source.bytes = static_cast<int64_t>(text.text.size());
    sources.push_back(text.source);
    texts_.push_back(std::move(text));
  }
  const std::shared_ptr<membank::Bank> bank =
      membank::Bank::open(folder.path() / "quiet",
                          {.mode = membank::OpenMode::write, .fingerprint = model->fingerprint()});
  IngestOptions options;
  options.name_space = kTextSpace;
  Ingestor(context, model, bank, options).run(sources);
  const auto snapshot = bank->snapshot();
  for (KnownText& text : texts_) {
    const auto document = snapshot->find_text(kTextSpace, text.hash);
    if (!document || !document->complete) throw std::runtime_error("a text was not read");
    for (const membank::ChunkInfo& info : snapshot->document_chunks(document->id)) {
      text.chunks.push_back(stored_chunk(*snapshot, bank->fingerprint(), info));
    }
  }
}

const KnownText* KnownTexts::find(const std::string& name) const {
  for (const KnownText& text : texts_) {
    if (text.source.name == name) return &text;
  }
  return nullptr;
}

}  // namespace memlong::engine::stress
