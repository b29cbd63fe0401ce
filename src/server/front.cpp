#include "server/front.h"

#include <utility>

#include "common/error.h"
#include "server/errors.h"

namespace memlong::server {

namespace {

/// "a/*/b" and {"a", "x", "b"}; a step that is empty is none.
bool fits(const std::vector<std::string>& steps, const std::vector<std::string>& segments) {
  if (steps.size() != segments.size()) return false;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (segments[i].empty() || (steps[i] != "*" && steps[i] != segments[i])) return false;
  }
  return true;
}

std::vector<std::string> split(const std::string& pattern) {
  std::vector<std::string> steps;
  for (size_t at = 1; at <= pattern.size();) {
    const size_t end = std::min(pattern.find('/', at), pattern.size());
    steps.push_back(pattern.substr(at, end - at));
    at = end + 1;
  }
  return steps;
}

}  // namespace

Front::Front(Load load, size_t longest, std::function<void()> loaded)
    : loaded_(std::move(loaded)),
      network_(std::make_shared<Worker>(
          longest, [this] { service_.reset(); },
          Worker::Rest{.room = [this] { return service_ == nullptr || service_->has_room(); },
                       .step = [this] { return step(); }})),
      reader_(std::make_shared<Worker>(longest)),
      clerk_(std::make_shared<Worker>(longest)) {
  add_routes();
  auto opening = std::make_shared<Worker::Task>();
  opening->run = [this, load = std::move(load)](const Stop&) { open(load); };
  network_->add(opening);
}

Front::~Front() { close(); }

void Front::open(const Load& load) {
  try {
    ServiceParts parts = load();
    desk_ = std::make_unique<Desk>(parts.model,
                                   parts.memory == nullptr ? nullptr : parts.memory->shared_bank(),
                                   parts.model_name);
    IntakeParts intake;
    intake.context = std::move(parts.reading);
    intake.model = parts.model;
    if (parts.memory != nullptr) intake.bank = parts.memory->shared_bank();
    intake.name_space = parts.session.name_space;
    intake.retention = parts.session.retention;
    intake.changed = parts.texts_changed;
    service_ = std::make_unique<Service>(std::move(parts), metrics_);
    intake_ = std::make_unique<Intake>(std::move(intake), metrics_);
    ready_ = true;
  } catch (...) {
    const std::scoped_lock lock(mutex_);
    failure_ = std::current_exception();
  }
  loaded_();
}

std::exception_ptr Front::failure() const {
  const std::scoped_lock lock(mutex_);
  return failure_;
}

bool Front::step() {
  const bool more = service_ != nullptr && service_->step();
  if (service_ != nullptr) {
    open_dialogs_ = service_->open_dialogs();
    answering_ = service_->answering();
  }
  return more;
}

void Front::begin_close() {
  network_->begin_close();
  reader_->begin_close();
  clerk_->begin_close();
}

void Front::close() {
  begin_close();
  network_->close();
  reader_->close();
  clerk_->close();
}

void Front::add(const char* method, const std::string& pattern, Place place, Answer answer) {
  routes_.push_back({method, pattern, split(pattern), place, std::move(answer)});
}

std::string Front::pattern_of(const http::Request& request) const {
  for (const Route& route : routes_) {
    if (fits(route.steps, request.segments)) return route.pattern;
  }
  return {};
}

void Front::count(const http::Request& request, int status, double seconds) {
  metrics_.count_request(pattern_of(request), status, seconds);
}

http::Response Front::not_found(const http::Request& request) const {
  std::string allowed;
  for (const Route& route : routes_) {
    if (fits(route.steps, request.segments)) {
      allowed += (allowed.empty() ? "" : ", ") + route.method;
    }
  }
  if (allowed.empty()) return http::error_response(404, "there is nothing at " + request.path);
  http::Response response = http::error_response(405, request.path + " takes " + allowed);
  response.headers.emplace_back("Allow", allowed);
  return response;
}

void Front::handle(const std::shared_ptr<http::Exchange>& exchange) {
  const http::Request& request = exchange->request();
  for (const Route& route : routes_) {
    if (route.method != request.method || !fits(route.steps, request.segments)) continue;
    if (route.place == Place::here) return route.answer(exchange, nullptr);
    if (ready_) return hand_over(route, exchange);
    http::Response loading = http::error_response(503, "the model is being loaded");
    loading.headers.emplace_back("Retry-After", "5");
    return exchange->respond(std::move(loading));
  }
  exchange->respond(not_found(request));
}

const std::shared_ptr<Worker>& Front::worker_of(Place place) const {
  if (place == Place::desk) return clerk_;
  return place == Place::intake ? reader_ : network_;
}

void Front::hand_over(const Route& route, const std::shared_ptr<http::Exchange>& exchange) {
  const std::shared_ptr<Worker>& worker = worker_of(route.place);
  auto task = std::make_shared<Worker::Task>();
  task->lasts = route.place == Place::answers;
  task->run = [worker = worker.get(), exchange, &route](const Stop& stop) {
    try {
      if (worker->closing()) fail(ErrorKind::stopped, "the server is stopping");
      route.answer(exchange, stop);
    } catch (const std::exception& error) {
      exchange->respond(error_response_for(error));
    }
  };
  if (!worker->add(task)) {
    http::Response full = http::error_response(
        503, worker->closing() ? "the server is stopping"
                               : "as many requests wait as may (--queue); try later");
    full.headers.emplace_back("Retry-After", "5");
    return exchange->respond(std::move(full));
  }
  exchange->on_gone([weak = std::weak_ptr(task), worker = std::weak_ptr(worker)] {
    const auto lives = weak.lock();
    const auto there = worker.lock();
    if (lives != nullptr && there != nullptr) there->cancel(lives);
  });
}

}  // namespace memlong::server
