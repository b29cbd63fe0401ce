#include <charconv>
#include <cstdio>
#include <sstream>

#include "model/memory_settings.h"

namespace memlong::model {
namespace {

/// The shortest text that is read as the same number.
std::string text_of(double number) {
  char buffer[32];
  return {std::begin(buffer), std::to_chars(std::begin(buffer), std::end(buffer), number).ptr};
}

/// A text as TOML has it.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    char control[8];
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7F) {
      std::snprintf(control, sizeof(control), "\\u%04X", static_cast<unsigned>(c));
      out += control;
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

std::string settings_text(const MemorySettings& settings) {
  std::ostringstream out;
  out << "# The memory settings that belong to this model.\n[memory]\n";
  out << "layer = " << settings.memory_layer << "\nreading_layers = [";
  for (size_t i = 0; i < settings.reading_layers.size(); ++i) {
    out << (i == 0 ? "" : ", ") << settings.reading_layers[i];
  }
  out << "]\nchunk = " << settings.chunk << "\ntop_k = " << settings.top_k
      << "\nneighbours = " << settings.neighbours << "\nquery_chunks = " << settings.query_chunks
      << "\nrecent_chunks = " << settings.recent_chunks
      << "\nrecency = " << text_of(settings.recency) << "\nembedder = \"" << settings.embedder
      << "\"\n";
  if (!settings.encoder.empty()) out << "encoder = " << quoted(settings.encoder.string()) << "\n";
  out << "\n[window]\nsize = " << settings.window << "\noverlap = " << settings.overlap
      << "\nbos = " << (settings.window_bos ? "true" : "false") << "\n";
  if (!settings.chat_template.empty()) {
    out << "\n[chat]\ntemplate = \"" << settings.chat_template << "\"\n";
  }
  return out.str();
}

}  // namespace memlong::model
