#include "server/chat_request.h"

#include <gmock/gmock.h>

#include "common/error.h"

namespace memlong::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ChatRequest parse(const std::string& body) { return parse_chat_request(body, {}); }

/// A request with one message and further fields.
std::string with(const std::string& fields) {
  return R"({"messages": [{"role": "user", "content": "Hi"}])" +
         (fields.empty() ? "" : ", " + fields) + "}";
}

std::string refusal(const std::string& body) {
  try {
    parse(body);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::format) << body;
    return error.what();
  }
  return "accepted";
}

TEST(ChatRequest, MessagesAndDefaults) {
  engine::GenerateOptions defaults;
  defaults.max_tokens = 77;
  defaults.sampling.temperature = 0.25F;
  defaults.stop = {"END"};
  const ChatRequest request = parse_chat_request(
      R"({"model": "any", "messages": [
           {"role": "developer", "content": "Be brief."},
           {"role": "user", "name": "a", "content": [{"type": "text", "text": "One "},
                                                     {"type": "text", "text": "two"}]},
           {"role": "assistant", "content": "Three", "refusal": null},
           {"role": "user", "content": "é\u0000\n"}], "user": "x", "store": true})",
      defaults);
  ASSERT_EQ(request.messages.size(), 4U);
  EXPECT_EQ(request.messages[0].role, "system");
  EXPECT_EQ(request.messages[1].content, "One two");
  EXPECT_EQ(request.messages[2].content, "Three");
  EXPECT_EQ(request.messages[3].content, std::string("é\0\n", 4));
  EXPECT_EQ(request.session, "");
  EXPECT_FALSE(request.stream);
  EXPECT_FALSE(request.generate.measure_attention);
  EXPECT_EQ(request.generate.max_tokens, 77);
  EXPECT_EQ(request.generate.sampling.temperature, 0.25F);
  EXPECT_THAT(request.generate.stop, ElementsAre("END"));
  EXPECT_EQ(request.generate.seed, 0U);
}

TEST(ChatRequest, AllThatCanBeSaid) {
  const ChatRequest request = parse(with(
      R"("session": "anna", "namespace": "home", "stream": true, "retrieved": true,
         "stream_options": {"include_usage": true}, "max_tokens": 9, "stop": ["a", "b"],
         "temperature": 0, "top_p": 0.5, "top_k": 3, "min_p": 0.25, "typical_p": 0.75,
         "top_n_sigma": 2, "repeat_penalty": 1.5, "repeat_last_n": -1, "frequency_penalty": 0.125,
         "presence_penalty": -1, "seed": 5, "n": 1, "tools": [], "logit_bias": {},
         "logprobs": false, "response_format": {"type": "text"})"));
  EXPECT_EQ(request.session, "anna");
  EXPECT_EQ(request.name_space, "home");
  EXPECT_TRUE(request.stream);
  EXPECT_TRUE(request.include_usage);
  EXPECT_TRUE(request.retrieved);
  EXPECT_TRUE(request.generate.measure_attention);
  EXPECT_EQ(request.generate.max_tokens, 9);
  EXPECT_THAT(request.generate.stop, ElementsAre("a", "b"));
  const ops::SamplingOptions& sampling = request.generate.sampling;
  EXPECT_EQ(sampling.temperature, 0.0F);
  EXPECT_EQ(sampling.top_p, 0.5F);
  EXPECT_EQ(sampling.top_k, 3);
  EXPECT_EQ(sampling.min_p, 0.25F);
  EXPECT_EQ(sampling.typical_p, 0.75F);
  EXPECT_EQ(sampling.top_n_sigma, 2.0F);
  EXPECT_EQ(sampling.repeat_penalty, 1.5F);
  EXPECT_EQ(sampling.repeat_last_n, -1);
  EXPECT_EQ(sampling.frequency_penalty, 0.125F);
  EXPECT_EQ(sampling.presence_penalty, -1.0F);
  EXPECT_EQ(request.generate.seed, 5U);
}

TEST(ChatRequest, NullMeansNotSaid) {
  const ChatRequest request = parse(with(
      R"("session": null, "temperature": null, "stop": null, "max_tokens": null, "seed": null,
         "tools": null, "n": null, "response_format": null, "stream_options": null)"));
  EXPECT_EQ(request.generate.sampling.temperature, engine::GenerateOptions().sampling.temperature);
  EXPECT_EQ(request.generate.max_tokens, engine::GenerateOptions().max_tokens);
  EXPECT_THAT(request.generate.stop, IsEmpty());
}

TEST(ChatRequest, WhatClientsWriteWithoutMeaningIt) {
  const ChatRequest request = parse(
      R"({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": null},
          {"role": "user", "content": "Hello?"}],
          "max_tokens": 4.0, "n": 1.0, "seed": 18446744073709551615, "stop": ["", "b"],
          "top_logprobs": 0, "logprobs": false, "grammar": "", "json_schema": "",
          "response_format": {}})");
  EXPECT_EQ(request.messages[1].content, "");
  EXPECT_EQ(request.generate.max_tokens, 4);
  EXPECT_EQ(request.generate.seed, uint64_t{INT64_MAX});
  EXPECT_THAT(request.generate.stop, ElementsAre("b"));
  EXPECT_THAT(parse(with(R"("stop": "")")).generate.stop, IsEmpty());
}

TEST(ChatRequest, SeedsAndLengths) {
  EXPECT_NE(parse(with(R"("seed": 0)")).generate.seed, 0U) << "a seed like any other";
  EXPECT_EQ(parse(with(R"("seed": -1)")).generate.seed, 0U) << "none";
  EXPECT_EQ(parse(with(R"("max_completion_tokens": 5)")).generate.max_tokens, 5);
  EXPECT_GT(parse(with(R"("max_tokens": -1)")).generate.max_tokens, 1'000'000);
  EXPECT_THAT(parse(with(R"("stop": "x")")).generate.stop, ElementsAre("x"));
}

TEST(ChatRequest, WhatIsWrongIsNamed) {
  EXPECT_THAT(refusal("{"), HasSubstr("the request is no JSON"));
  EXPECT_THAT(refusal("[]"), HasSubstr("must be a JSON object"));
  EXPECT_THAT(refusal("{}"), HasSubstr("'messages' must be a list"));
  EXPECT_THAT(refusal(R"({"messages": []})"), HasSubstr("'messages' must be a list"));
  EXPECT_THAT(refusal(R"({"messages": ["Hi"]})"), HasSubstr("messages[0] must be an object"));
  EXPECT_THAT(refusal(R"({"messages": [{"content": "Hi"}]})"), HasSubstr("messages[0].role"));
  EXPECT_THAT(refusal(R"({"messages": [{"role": "tool", "content": "Hi"}]})"),
              HasSubstr("'tool': none of system, user, assistant"));
  EXPECT_THAT(refusal(R"({"messages": [{"role": "user", "content": null}]})"),
              HasSubstr("messages[0].content"));
  EXPECT_THAT(refusal(R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})"),
              HasSubstr("only parts of type 'text'"));
  EXPECT_THAT(refusal(R"({"messages": [{"role": "assistant", "content": "Hi"}]})"),
              HasSubstr("the last message must be the user's"));
  EXPECT_THAT(refusal(with(R"("temperature": "hot")")),
              HasSubstr("'temperature' must be a number from 0 to 1000000"));
  EXPECT_THAT(refusal(with(R"("top_p": 1.5)")), HasSubstr("'top_p' must be a number from 0 to 1"));
  EXPECT_THAT(refusal(with(R"("max_tokens": 0)")), HasSubstr("'max_tokens' must not be 0"));
  EXPECT_THAT(refusal(with(R"("max_tokens": 1.5)")), HasSubstr("a whole number"));
  EXPECT_THAT(refusal(with(R"("max_tokens": 18446744073709551615)")), HasSubstr("a whole number"));
  EXPECT_THAT(refusal(with(R"("stop": [1])")), HasSubstr("'stop' must be"));
  EXPECT_THAT(refusal(with(R"("stream": 1)")), HasSubstr("'stream' must be true or false"));
  EXPECT_THAT(refusal(with(R"("session": 7)")), HasSubstr("'session' must be a string"));
  for (const char* control : {"\\n", "\\u001b", "\\u0000", "\\u007f"}) {
    EXPECT_THAT(refusal(with(R"("session": "a)" + std::string(control) + "b\"")),
                HasSubstr("'session' must not have control characters"));
  }
  EXPECT_EQ(refusal(with(R"("session": "Jörg's 1. Gespräch / é")")), "accepted");
  EXPECT_THAT(refusal(with(R"("namespace": ")" + std::string(401, 'x') + "\"")),
              HasSubstr("'namespace' is longer than 400 bytes"));
  EXPECT_THAT(refusal(with(R"("session": ")" + std::string(401, 'x') + "\"")),
              HasSubstr("'session' is longer than 400 bytes"));
}

TEST(ChatRequest, WhatIsNotSupportedIsRefused) {
  EXPECT_THAT(refusal(with(R"("tools": [{"type": "function"}])")), HasSubstr("'tools'"));
  EXPECT_THAT(refusal(with(R"("logprobs": true)")), HasSubstr("'logprobs'"));
  EXPECT_THAT(refusal(with(R"("logit_bias": {"5": 1})")), HasSubstr("'logit_bias'"));
  EXPECT_THAT(refusal(with(R"("n": 2)")), HasSubstr("'n' must be 1"));
  EXPECT_THAT(refusal(with(R"("response_format": {"type": "json_object"})")),
              HasSubstr("'response_format'"));
}

TEST(ChatRequest, DeepAndBrokenJsonIsRefused) {
  EXPECT_THAT(refusal(std::string(100'000, '[')), HasSubstr("the request"));
  EXPECT_THAT(refusal(with(R"("a": "\ud800")")), HasSubstr("no JSON"));
  EXPECT_THAT(refusal("{\"messages\": \"\xff\"}"), HasSubstr("no JSON"));
}

}  // namespace
}  // namespace memlong::server
