#include "server/worker.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <string>
#include <vector>

#include <gmock/gmock.h>

namespace memlong::server {
namespace {

using Task = Worker::Task;

std::shared_ptr<Task> task(std::function<void()> run) {
  auto made = std::make_shared<Task>();
  made->run = [run = std::move(run)](const Stop&) { run(); };
  return made;
}

/// A task that says that it has begun, and ends when it is let or stopped.
struct Held {
  std::promise<void> begun;
  std::promise<void> let;
  bool saw_stop = false;
};

std::shared_ptr<Task> hold(Held& held) {
  auto made = std::make_shared<Task>();
  made->run = [&held](const Stop& stop) {
    held.begun.set_value();
    auto let = held.let.get_future();
    while (let.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) {
      if (!*stop) continue;
      held.saw_stop = true;
      return;
    }
  };
  return made;
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
  ASSERT_TRUE(worker.add(hold(held)));
  held.begun.get_future().wait();
  EXPECT_TRUE(worker.add(task([] {})));
  EXPECT_TRUE(worker.add(task([] {})));
  EXPECT_FALSE(worker.add(task([] {})));
  EXPECT_EQ(worker.waiting(), 2U);
  held.let.set_value();
  std::promise<void> last;
  while (!worker.add(task([&] { last.set_value(); }))) std::this_thread::yield();
  last.get_future().wait();
}

TEST(Worker, ACancelledTaskLeavesOffOrNeverBegins) {
  Worker worker(10);
  Held held;
  bool ran = false;
  const auto running = hold(held);
  const auto waiting = task([&] { ran = true; });
  worker.add(running);
  worker.add(waiting);
  held.begun.get_future().wait();
  worker.cancel(waiting);
  EXPECT_FALSE(running->stop) << "another one runs";
  worker.cancel(running);
  std::promise<bool> next;
  const auto last = std::make_shared<Task>();
  last->run = [&](const Stop& stop) { next.set_value(*stop); };
  worker.add(last);
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
  worker.add(hold(held));
  held.begun.get_future().wait();
  ASSERT_TRUE(worker.add(waiting));
  EXPECT_FALSE(worker.add(task([] {})));
  worker.cancel(waiting);
  EXPECT_TRUE(watched.expired());
  EXPECT_EQ(worker.waiting(), 0U);
  EXPECT_TRUE(worker.add(task([] {})));
  held.let.set_value();
}

TEST(Worker, CloseStopsWhatRunsAndLetsTheRestSaySo) {
  bool told = false;
  bool ended = false;
  Held held;
  {
    Worker worker(10, [&] { ended = told; });
    worker.add(hold(held));
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

/// Work that tasks leave behind: each is done in so many parts.
struct Lasting {
  struct Part {
    int left = 0;
    Stop stop;
  };
  std::vector<Part> under_way;
  std::vector<std::string> told;
  std::atomic<size_t> done = 0;
  size_t most = 0;

  Worker::Rest rest(size_t room) {
    return {.room = [this, room] { return under_way.size() < room; },
            .step =
                [this] {
                  most = std::max(most, under_way.size());
                  for (Part& part : under_way) {
                    --part.left;
                    done += part.left == 0 ? 1 : 0;
                    if (!*part.stop) continue;
                    told.emplace_back("stopped");
                    part.left = 0;
                  }
                  std::erase_if(under_way, [](const Part& p) { return p.left == 0; });
                  return !under_way.empty();
                }};
  }
  std::shared_ptr<Task> begin(int parts) {
    auto made = std::make_shared<Task>();
    made->lasts = true;
    made->run = [this, parts](const Stop& stop) { under_way.push_back({parts, stop}); };
    return made;
  }
};

TEST(Worker, GoesOnWithWhatTasksLeaveBehindAsLongAsThereIsRoom) {
  Lasting lasting;
  Held held;
  size_t at_quick = 0;
  Worker worker(10, {}, lasting.rest(2));
  worker.add(hold(held));
  held.begun.get_future().wait();
  for (int i = 0; i < 3; ++i) worker.add(lasting.begin(3));
  worker.add(task([&] { at_quick = lasting.done; }));
  held.let.set_value();
  while (lasting.done < 3) std::this_thread::yield();
  worker.close();
  EXPECT_EQ(lasting.most, 2U);
  EXPECT_THAT(lasting.told, testing::IsEmpty());
  EXPECT_LT(at_quick, 3U) << "a task that leaves nothing behind does not wait for them";
}

TEST(Worker, CloseStopsWhatTasksLeftBehind) {
  Lasting lasting;
  Worker worker(10, {}, lasting.rest(2));
  const auto endless = lasting.begin(-1);
  worker.add(endless);
  while (worker.waiting() > 0) std::this_thread::yield();
  worker.close();
  EXPECT_TRUE(endless->stop);
  EXPECT_EQ(lasting.told, std::vector<std::string>{"stopped"});
}

}  // namespace
}  // namespace memlong::server
