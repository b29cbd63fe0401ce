#include "common/error.h"

#include <cerrno>

#include <gtest/gtest.h>

#include "common/clock.h"

namespace memlong {
namespace {

TEST(Error, CarriesKindAndMessage) {
  try {
    fail(ErrorKind::mismatch, "bank of another model");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::mismatch);
    EXPECT_STREQ(error.what(), "bank of another model");
  }
}

TEST(Error, ANulDoesNotCutTheMessage) {
  try {
    fail(ErrorKind::format, std::string("'a\0b' is bad", 12));
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "'a\\x00b' is bad");
  }
}

TEST(Error, ErrnoDecidesTheKind) {
  for (const auto& [code, kind] :
       {std::pair(ENOENT, ErrorKind::io), std::pair(ENOSPC, ErrorKind::capacity)}) {
    try {
      errno = code;
      fail_errno("cannot open", "/x");
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind);
      EXPECT_TRUE(std::string(error.what()).starts_with("cannot open /x: ")) << error.what();
    }
  }
}

TEST(Error, ChecksThrowOnlyWhenBroken) {
  EXPECT_NO_THROW(MEMLONG_CHECK(1 + 1 == 2, "arithmetic"));
  try {
    MEMLONG_CHECK(1 + 1 == 3, "arithmetic");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::internal);
    EXPECT_NE(std::string(error.what()).find("arithmetic (1 + 1 == 3, error_test.cpp:"),
              std::string::npos)
        << error.what();
  }
}

TEST(Clock, FormatsUtc) {
  EXPECT_EQ(format_time(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_time(1772357400000000), "2026-03-01T09:30:00Z");
}

}  // namespace
}  // namespace memlong
