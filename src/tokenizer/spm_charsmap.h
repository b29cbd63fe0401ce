// The table of character replacements in a sentencepiece model file, looked at before the library
// uses it. Internal to the tokenizer.
#pragma once

#include <string_view>

namespace memlong::tokenizer {

/// Whether `blob` (NormalizerSpec.precompiled_charsmap: u32 length, a double-array trie, texts) can
/// be walked without leaving it. The library follows the trie and the places of texts without
/// looking at bounds, and has room for 32 matches at one place. An empty one is no table, and good.
bool charsmap_sound(std::string_view blob);

}  // namespace memlong::tokenizer
