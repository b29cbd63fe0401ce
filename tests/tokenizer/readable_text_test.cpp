#include "tokenizer/readable_text.h"

#include <gtest/gtest.h>

#include "fixtures.h"

namespace memlong::tokenizer {
namespace {

constexpr int32_t kBos = 1;
constexpr int32_t kUser = 4;
constexpr int32_t kAssistant = 5;
constexpr int32_t kEnd = 6;

Ids join(const Tokenizer& tokenizer, const Ids& front, const char* first, const Ids& middle,
         const char* second, const Ids& back) {
  Ids ids = front;
  for (const Ids& part :
       {tokenizer.encode(first), middle, tokenizer.encode(second, middle.empty()), back}) {
    ids.insert(ids.end(), part.begin(), part.end());
  }
  return ids;
}

TEST(ReadableText, PutsABarWhereMessagesMeet) {
  for (const auto& tokenizer : {reference(), with_dummy_prefix()}) {
    const auto text = [&](const Ids& front, const Ids& middle, const Ids& back) {
      return readable_text(*tokenizer,
                           join(*tokenizer, front, "The milk.", middle, "Noted.", back));
    };
    EXPECT_EQ(text({}, {kEnd, kAssistant}, {}), "The milk. | Noted.");
    EXPECT_EQ(text({kBos, kUser}, {kEnd}, {kEnd, kUser}), "The milk. | Noted.");
    EXPECT_EQ(text({}, {}, {kEnd}), "The milk.Noted.");
  }
}

TEST(ReadableText, LeavesOutPartsWithoutText) {
  const auto tokenizer = reference();
  Ids newline = tokenizer->encode("\n");
  newline.insert(newline.begin(), kEnd);
  newline.push_back(kUser);
  EXPECT_EQ(readable_text(*tokenizer, join(*tokenizer, {}, "a", newline, "b", {})), "a | b");
  EXPECT_EQ(readable_text(*tokenizer, Ids{kEnd, kUser, kEnd}), "");
  EXPECT_EQ(readable_text(*tokenizer, Ids{}), "");
}

}  // namespace
}  // namespace memlong::tokenizer
