#include "server/errors.h"

#include <gmock/gmock.h>

#include "common/error.h"

namespace memlong::server {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ErrorResponses, KindsAreStatuses) {
  const std::pair<ErrorKind, int> cases[] = {
      {ErrorKind::usage, 400},   {ErrorKind::format, 400},   {ErrorKind::mismatch, 409},
      {ErrorKind::busy, 409},    {ErrorKind::capacity, 507}, {ErrorKind::stopped, 503},
      {ErrorKind::corrupt, 500}, {ErrorKind::io, 500},       {ErrorKind::device, 500}};
  for (const auto& [kind, status] : cases) {
    const http::Response response = error_response_for(Error(kind, "the reason"));
    EXPECT_EQ(response.status, status);
    EXPECT_THAT(response.body, HasSubstr("the reason"));
    EXPECT_EQ(response.headers.size(), status == 503 ? 1U : 0U);  // Retry-After
  }
}

TEST(ErrorResponses, DefectsKeepTheirDetailsToTheLog) {
  const auto expect_silence = [](const std::exception& error) {
    testing::internal::CaptureStderr();
    const http::Response response = error_response_for(error);
    (void)testing::internal::GetCapturedStderr();
    EXPECT_EQ(response.status, 500);
    EXPECT_THAT(response.body, Not(HasSubstr("secret")));
  };
  expect_silence(Error(ErrorKind::internal, "secret"));
  expect_silence(std::runtime_error("secret"));
}

TEST(ErrorResponses, NoMemory) { EXPECT_EQ(error_response_for(std::bad_alloc()).status, 507); }

}  // namespace
}  // namespace memlong::server
