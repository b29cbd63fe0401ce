// Unicode's normal forms (UAX #15).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace memlong::tokenizer {

enum class UnicodeForm : uint8_t { nfc, nfd, nfkc, nfkd };

/// `text`, which is valid UTF-8, in a normal form, as Unicode 14 knows characters. In time n log n.
std::string to_form(std::string_view text, UnicodeForm form);

}  // namespace memlong::tokenizer
