#include "server/metrics.h"

#include <cstdio>

namespace memlong::server {

namespace {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.17g", value);
  return text;
}

/// One metric with its description.
class Page {
 public:
  void metric(const char* name, const char* type, const char* help) {
    text_ += "# HELP memlong_" + std::string(name) + " " + help + "\n# TYPE memlong_" + name + " " +
             type + "\n";
    name_ = name;
  }
  void sample(const std::string& labels, double value) {
    text_ += "memlong_" + name_ + labels + " " + number(value) + "\n";
  }
  void single(const char* name, const char* type, const char* help, double value) {
    metric(name, type, help);
    sample("", value);
  }
  [[nodiscard]] std::string text() const { return text_; }

 private:
  std::string text_;
  std::string name_;
};

}  // namespace

void Metrics::count_request(const std::string& route, int status, double seconds) {
  const std::scoped_lock lock(mutex_);
  ++requests_[{route.empty() ? "none" : route, status}];
  request_seconds_ += seconds;
}

void Metrics::count_answer(const engine::Answer& answer) {
  const std::scoped_lock lock(mutex_);
  ++answers_;
  prompt_tokens_ += answer.prompt_tokens;
  prompt_seconds_ += answer.prompt_seconds;
  tokens_ += static_cast<int64_t>(answer.ids.size());
  seconds_ += answer.seconds;
  retrieved_ += static_cast<int64_t>(answer.retrieved.size());
}

void Metrics::count_read_text(int64_t tokens) {
  const std::scoped_lock lock(mutex_);
  read_tokens_ += tokens;
}

std::string Metrics::text(const Gauges& gauges) const {
  const std::scoped_lock lock(mutex_);
  Page page;
  page.single("ready", "gauge", "1 once the model is loaded.", gauges.ready ? 1 : 0);
  page.single("uptime_seconds", "gauge", "Since the server started.", gauges.uptime_seconds);
  page.single("requests_waiting", "gauge", "Requests for the network that have not begun.",
              static_cast<double>(gauges.waiting));
  page.single("answers_running", "gauge", "Answers under way.",
              static_cast<double>(gauges.answering));
  page.single("dialogs_open", "gauge", "Dialogs that are open.",
              static_cast<double>(gauges.open_dialogs));
  page.metric("requests_total", "counter", "Requests answered, by route and status.");
  for (const auto& [key, count] : requests_) {
    page.sample("{route=\"" + key.first + "\",status=\"" + std::to_string(key.second) + "\"}",
                static_cast<double>(count));
  }
  page.single("request_seconds_total", "counter", "Spent on requests, waiting included.",
              request_seconds_);
  page.single("answers_total", "counter", "Answers of the model.", static_cast<double>(answers_));
  page.single("prompt_tokens_total", "counter", "Tokens of messages that were read.",
              static_cast<double>(prompt_tokens_));
  page.single("prompt_seconds_total", "counter", "Spent on reading them.", prompt_seconds_);
  page.single("generated_tokens_total", "counter", "Tokens of answers.",
              static_cast<double>(tokens_));
  page.single("generated_seconds_total", "counter", "Spent on answers.", seconds_);
  page.single("retrieved_chunks_total", "counter", "Chunks that answers read.",
              static_cast<double>(retrieved_));
  page.single("ingested_tokens_total", "counter", "Tokens of texts that were memorized.",
              static_cast<double>(read_tokens_));
  return page.text();
}

}  // namespace memlong::server
