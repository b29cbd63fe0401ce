#include "common/json_depth.h"

#include <gtest/gtest.h>

#include "common/error.h"

namespace memlong {
namespace {

std::string nested(size_t levels, const std::string& inside = "") {
  return std::string(levels, '[') + inside + std::string(levels, ']');
}

TEST(JsonDepth, CountsWhatIsOpenAtATime) {
  EXPECT_NO_THROW(check_json_depth("", "f"));
  EXPECT_NO_THROW(check_json_depth(nested(200), "f"));
  EXPECT_NO_THROW(check_json_depth("[" + nested(199) + "," + nested(199) + "]", "f"));
  EXPECT_NO_THROW(check_json_depth(std::string(300, ']') + nested(200), "f"));
  try {
    check_json_depth("{\"a\": " + nested(200) + "}", "f.json");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::format);
    EXPECT_STREQ(error.what(), "f.json: objects and lists stand more than 200 deep in each other");
  }
}

TEST(JsonDepth, StringsAreNotCounted) {
  const std::string brackets(1000, '[');
  EXPECT_NO_THROW(check_json_depth("[\"" + brackets + "\"]", "f"));
  EXPECT_NO_THROW(check_json_depth("[\"\\\"" + brackets + "\"]", "f")) << "an escaped quote";
  EXPECT_THROW(check_json_depth("[\"\\\\\"," + brackets, "f"), Error) << "an escaped backslash";
  EXPECT_NO_THROW(check_json_depth("\"\\", "f")) << "cut behind a backslash";
}

}  // namespace
}  // namespace memlong
