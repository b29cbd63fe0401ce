// Do two banks hold the same?
#pragma once

#include <filesystem>
#include <string>

namespace memlong::tools_test {

/// The first difference of documents (times aside), text, chunks, tokens, vectors, K and V, numbers
/// included, in words; "" when there is none. Verifies both banks first.
std::string bank_difference(const std::filesystem::path& a, const std::filesystem::path& b);

}  // namespace memlong::tools_test
