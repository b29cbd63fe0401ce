#include "server/worker.h"

#include <future>
#include <vector>

#include <gtest/gtest.h>

namespace memlong::server {
namespace {

using Task = Worker::Task;

std::shared_ptr<Task> task(std::function<void()> run) {
  auto made = std::make_shared<Task>();
  made->run = std::move(run);
  return made;
}

/// A task that says that it has begun, and ends when it is let or stopped.
struct Held {
  std::promise<void> begun;
  std::promise<void> let;
  bool saw_stop = false;
};

std::shared_ptr<Task> hold(Held& held, const Worker& worker) {
  return task([&held, &worker] {
    held.begun.set_value();
    auto let = held.let.get_future();
    while (let.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) {
      if (!worker.stop()) continue;
      held.saw_stop = true;
      return;
    }
  });
}

TEST(Worker, DoesTasksInOrder) {
  std::vector<int> done;
  Worker worker(100);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(worker.add(task([&done, i] { done.push_back(i); })));
  std::promise<void> last;
  worker.add(task([&] { last.set_value(); }));
  last.get_future().wait();
  ASSERT_EQ(done.size(), 50U);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(done[static_cast<size_t>(i)], i);
}

TEST(Worker, TakesNoMoreThanMayWait) {
  Worker worker(2);
  Held held;
  ASSERT_TRUE(worker.add(hold(held, worker)));
  held.begun.get_future().wait();
  EXPECT_TRUE(worker.add(task([] {})));
  EXPECT_TRUE(worker.add(task([] {})));
  EXPECT_FALSE(worker.add(task([] {})));
  EXPECT_EQ(worker.busy(), 3U);
  held.let.set_value();
  std::promise<void> last;
  while (!worker.add(task([&] { last.set_value(); }))) std::this_thread::yield();
  last.get_future().wait();
}

TEST(Worker, ACancelledTaskLeavesOffOrNeverBegins) {
  Worker worker(10);
  Held held;
  bool ran = false;
  const auto running = hold(held, worker);
  const auto waiting = task([&] { ran = true; });
  worker.add(running);
  worker.add(waiting);
  held.begun.get_future().wait();
  worker.cancel(waiting);
  EXPECT_FALSE(worker.stop()) << "another one runs";
  worker.cancel(running);
  std::promise<bool> next;
  worker.add(task([&] { next.set_value(worker.stop()); }));
  EXPECT_FALSE(next.get_future().get()) << "the next task is not stopped";
  EXPECT_TRUE(held.saw_stop);
  EXPECT_FALSE(ran);
}

TEST(Worker, ACancelledTaskMakesRoomAndLetsGo) {
  Held held;
  Worker worker(1);
  auto thing = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = thing;
  const auto waiting = task([thing = std::move(thing)] {});
  worker.add(hold(held, worker));
  held.begun.get_future().wait();
  ASSERT_TRUE(worker.add(waiting));
  EXPECT_FALSE(worker.add(task([] {})));
  worker.cancel(waiting);
  EXPECT_TRUE(watched.expired());
  EXPECT_EQ(worker.busy(), 1U);
  EXPECT_TRUE(worker.add(task([] {})));
  held.let.set_value();
}

TEST(Worker, CloseStopsWhatRunsAndLetsTheRestSaySo) {
  bool told = false;
  bool ended = false;
  Held held;
  {
    Worker worker(10, [&] { ended = told; });
    worker.add(hold(held, worker));
    worker.add(task([&] { told = worker.closing(); }));
    held.begun.get_future().wait();
    worker.begin_close();
    EXPECT_FALSE(worker.add(task([] {})));
    worker.close();
    EXPECT_TRUE(held.saw_stop);
    EXPECT_TRUE(told);
    EXPECT_TRUE(ended) << "behind the last task";
  }
}

TEST(Worker, LetsGoOfWhatATaskHolds) {
  Worker worker(10);
  auto thing = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = thing;
  const auto kept = task([thing = std::move(thing)] {});
  worker.add(kept);
  worker.close();
  EXPECT_TRUE(watched.expired());
}

}  // namespace
}  // namespace memlong::server
