// The fuzz targets. Each takes any bytes, gives them to one reader of memlong, and checks what
// comes out. A target returns when all is well. Whatever it throws, and whatever a sanitizer finds,
// is a defect. They keep files in a folder below TMPDIR. Not thread-safe.
#pragma once

#include <string_view>

namespace memlong::fuzz {

/// A safetensors file; or, from a '{' to the last '}', its header, whose length is put in front.
void safetensors(std::string_view input);
/// A torch file; or, from a byte 0x80, its pickle, which an archive is put around.
void torch_file(std::string_view input);
/// A config.json; behind a byte 0x1E generation_config.json.
void config(std::string_view input);
/// A byte that chooses, then a record of a bank, keys and values of a chunk, or a manifest.
void bank(std::string_view input);
/// An index snapshot without its checksum, which is put behind it.
void snapshot(std::string_view input);
/// A file of dialogs: JSON lines, one JSON value, or text.
void dialogs(std::string_view input);
/// A byte that chooses, then the options of a tool, a memlong.toml or a training recipe.
void toml(std::string_view input);
/// A sentencepiece model; its last bytes are also a text for it.
void tokenizer_model(std::string_view input);
/// A tokenizer.json; its last bytes are also a text for it.
void tokenizer_json(std::string_view input);
/// A byte that chooses, then text, or ids, for the reference model's tokenizer.
void tokenizer_text(std::string_view input);
/// A byte that chooses, then messages of a dialog with 0x1F between them, or a
/// tokenizer_config.json.
void chat_template(std::string_view input);
/// A byte that chooses, then a chat request of memlong-serve, the target of a request, or headers
/// that say where it comes from.
void http_request(std::string_view input);

}  // namespace memlong::fuzz
