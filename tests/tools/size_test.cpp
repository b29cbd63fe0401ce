#include "tools/common/size.h"

#include <gtest/gtest.h>

#include "common/error.h"

namespace memlong::tools {
namespace {

int64_t size(const std::string& text) { return parse_size(text, "--size"); }

TEST(ParseSize, KnowsBothKindsOfUnits) {
  EXPECT_EQ(size("1500000"), 1500000);
  EXPECT_EQ(size("12B"), 12);
  EXPECT_EQ(size("64KiB"), 65536);
  EXPECT_EQ(size("64K"), 65536);
  EXPECT_EQ(size("2GB"), 2000000000);
  EXPECT_EQ(size("1.5 GiB"), 1610612736);
  EXPECT_EQ(size("3T"), int64_t{3} << 40);
}

TEST(ParseSize, RefusesTheRest) {
  for (const char* text : {"", "much", "0", "-5", "5x", "5KiBs", "nan", "inf", "1e30"}) {
    EXPECT_THROW(size(text), Error) << text;
  }
}

}  // namespace
}  // namespace memlong::tools
