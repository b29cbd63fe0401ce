#include "server/metrics.h"

#include <gmock/gmock.h>

namespace memlong::server {
namespace {

using testing::HasSubstr;

TEST(Metrics, CountsWhatPrometheusReads) {
  Metrics metrics;
  metrics.count_request("/v1/models", 200, 0.5);
  metrics.count_request("/v1/models", 200, 0.25);
  metrics.count_request("", 404, 0.25);
  engine::Answer answer;
  answer.ids = {1, 2, 3};
  answer.prompt_tokens = 40;
  answer.seconds = 2;
  answer.retrieved.resize(5);
  metrics.count_answer(answer);
  metrics.count_answer(answer);
  metrics.count_read_text(1000);
  const std::string text =
      metrics.text({.ready = true, .waiting = 3, .open_dialogs = 2, .uptime_seconds = 1.5});
  EXPECT_THAT(text, HasSubstr("# TYPE memlong_requests_total counter\n"));
  EXPECT_THAT(text, HasSubstr("memlong_requests_total{route=\"/v1/models\",status=\"200\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("memlong_requests_total{route=\"none\",status=\"404\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nmemlong_request_seconds_total 1\n"));
  EXPECT_THAT(text, HasSubstr("\nmemlong_answers_total 2\n"));
  EXPECT_THAT(text, HasSubstr("\nmemlong_prompt_tokens_total 80\n"));
  EXPECT_THAT(text, HasSubstr("\nmemlong_generated_tokens_total 6\n"));
  EXPECT_THAT(text, HasSubstr("\nmemlong_generated_seconds_total 4\n"));
  EXPECT_THAT(text, HasSubstr("\nmemlong_retrieved_chunks_total 10\n"));
  EXPECT_THAT(text, HasSubstr("\nmemlong_ingested_tokens_total 1000\n"));
  EXPECT_THAT(text, HasSubstr("\nmemlong_ready 1\n"));
  EXPECT_THAT(text, HasSubstr("\nmemlong_requests_waiting 3\n"));
  EXPECT_THAT(text, HasSubstr("\nmemlong_dialogs_open 2\n"));
  EXPECT_THAT(text, HasSubstr("\nmemlong_uptime_seconds 1.5\n"));
}

}  // namespace
}  // namespace memlong::server
