// How a file that cannot be right is refused.
#pragma once

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"

namespace memlong::model {

/// Runs `action` and gives the message of its Error of this kind, one line; "" when there was none.
template <class Action>
std::string refusal_of(const Action& action, ErrorKind kind = ErrorKind::format) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("\n")));
    return error.what();
  }
  return "";
}

}  // namespace memlong::model
