#include "tensor/graph.h"

#include <utility>

#include "common/error.h"
#include "tensor/cuda/backend.h"

namespace memlong {
namespace {

/// The context's queue is another one as long as this lives.
class Exchanged {
 public:
  Exchanged(std::shared_ptr<void>& slot, std::shared_ptr<void> other)
      : slot_(slot), before_(std::exchange(slot, std::move(other))) {}
  ~Exchanged() { slot_ = std::move(before_); }
  Exchanged(const Exchanged&) = delete;
  Exchanged& operator=(const Exchanged&) = delete;

 private:
  std::shared_ptr<void>& slot_;
  std::shared_ptr<void> before_;
};

}  // namespace

Graph Graph::record(Context& context, const std::function<void()>& work) {
  MEMLONG_CHECK(context.device() == Device::cuda, "only work on a GPU is recorded");
  Graph graph;
  if constexpr (kHasCuda) {
    context.activate();
    const std::shared_ptr<void> stream = cuda::make_recording_stream();
    const Exchanged exchanged(context.stream_, stream);
    cuda::begin_recording(stream.get());
    try {
      work();
    } catch (...) {
      try {
        (void)cuda::end_recording(stream.get());
      } catch (const Error&) {  // the first error is the one to tell
      }
      throw;
    }
    graph.recorded_ = cuda::end_recording(stream.get());
  }
  return graph;
}

void Graph::launch(Context& context) const {
  MEMLONG_CHECK(!empty(), "nothing was recorded");
  if constexpr (kHasCuda) {
    context.activate();
    cuda::launch_recorded(recorded_.get(), context.stream());
  }
}

}  // namespace memlong
