#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>

namespace memlong::tokenizer {
namespace {

std::filesystem::path reference() {
  return std::filesystem::path(MEMLONG_SOURCE_DIR) / "models/reference";
}

TEST(Tokenizer, PlainTextComesBack) {
  const auto tokenizer = load_tokenizer(reference());
  EXPECT_EQ(tokenizer->encode("a\nb"), (Ids{4015, 17, 4034}));
}

}  // namespace
}  // namespace memlong::tokenizer
