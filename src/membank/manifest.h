// The manifest: what a bank's content depends on, as JSON in record `manifest` of `meta`.
#pragma once

#include <string>
#include <string_view>

#include "membank/types.h"

namespace memlong::membank {

/// Raised when a reader of an older version would misread the bank.
inline constexpr int kFormatVersion = 1;

std::string encode_manifest(const Fingerprint& fingerprint);
/// Errors: corrupt (not a manifest), mismatch (a format version that is not known here).
Fingerprint decode_manifest(std::string_view json, const std::string& bank);

/// Errors: usage (a shape that cannot be), for a bank that is to be made.
void check_fingerprint(const Fingerprint& fingerprint);
/// Errors: mismatch, naming the first field that differs and both values.
void require_same(const Fingerprint& bank, const Fingerprint& wanted, const std::string& bank_name,
                  const std::string& wanted_name);

}  // namespace memlong::membank
