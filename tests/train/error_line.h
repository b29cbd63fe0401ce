// The message of the error that a call ends with.
#pragma once

#include <string>

#include <gtest/gtest.h>

#include "common/error.h"

namespace memlong::train::test {

template <class Call>
std::string error_line(ErrorKind kind, const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

}  // namespace memlong::train::test
