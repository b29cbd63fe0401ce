// Recorded work on the emulated runtime: what is queued while recording is done at each launch, in
// its order, and what cannot be recorded leaves no trace.
#include "tensor/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/column_sum.h"
#include "ops/copy.h"
#include "ops/reference.h"

namespace memlong {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Recording : public testing::Test {
 protected:
  Tensor device(const std::vector<float>& values) {
    Tensor host({1, static_cast<int64_t>(values.size())}, DType::f32);
    std::copy(values.begin(), values.end(), host.data<float>());
    return ops::convert(context_, host, DType::f32);
  }
  std::vector<double> on_host(const TensorView& view) {
    Tensor host(view.shape(), view.dtype());
    ops::copy(context_, view, host);
    return ops::reference::values(host);
  }
  /// sum += x
  void add(const Tensor& x, const Tensor& sum) {
    ops::column_sum(context_, x, sum.view().reshape({sum.dim(1)}));
  }
  std::string complaint(const std::function<void()>& work) {
    try {
      (void)Graph::record(context_, work);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::device);
      return error.what();
    }
    return "";
  }

  Context context_ = Context({.device = Device::cuda});
  Tensor x_ = device({1, 2});
  Tensor sum_ = device({10, 10});
};

TEST_F(Recording, IsDoneAtEachLaunchAndReadsWhatLiesThereThen) {
  add(x_, sum_);
  const Graph graph = Graph::record(context_, [&] { add(x_, sum_); });
  EXPECT_THAT(on_host(sum_), ElementsAre(11, 12)) << "recording does nothing";
  graph.launch(context_);
  graph.launch(context_);
  EXPECT_THAT(on_host(sum_), ElementsAre(13, 16));
  ops::copy(context_, device({100, 0}), x_);
  graph.launch(context_);
  EXPECT_THAT(on_host(sum_), ElementsAre(113, 16));
}

TEST_F(Recording, KeepsTheOrder) {
  const Tensor y = device({0, 0});
  const auto work = [&] {  // y = sum before, sum = sum + x, x = y
    ops::copy(context_, sum_, y);
    add(x_, sum_);
    ops::copy(context_, y, x_);
  };
  work();
  EXPECT_THAT(on_host(x_), ElementsAre(10, 10));
  const Graph graph = Graph::record(context_, work);
  graph.launch(context_);
  EXPECT_THAT(on_host(x_), ElementsAre(11, 12));
  EXPECT_THAT(on_host(sum_), ElementsAre(21, 22));
}

TEST_F(Recording, IsInOrderWithOtherWork) {
  add(x_, sum_);
  const Graph graph = Graph::record(context_, [&] { add(x_, sum_); });
  add(x_, sum_);
  graph.launch(context_);
  add(x_, sum_);
  EXPECT_THAT(on_host(sum_), ElementsAre(14, 18));
}

TEST_F(Recording, OutlivesWhatItWasMadeWith) {
  add(x_, sum_);
  Graph kept;
  {
    Graph graph = Graph::record(context_, [&] { add(x_, sum_); });
    kept = graph;
    graph = {};
    EXPECT_TRUE(graph.empty());
  }
  kept.launch(context_);
  EXPECT_THAT(on_host(sum_), ElementsAre(12, 14));
}

TEST_F(Recording, RefusesAllocation) {
  constexpr const char* kWhy = "memory is asked for while work is recorded";
  EXPECT_EQ(complaint([&] { const Tensor more({4}, DType::f32, Device::cuda); }), kWhy);
  EXPECT_EQ(complaint([&] { context_.scratch("new", {4}, DType::f32); }), kWhy);
  const auto hides_it = [&] {
    try {
      const Tensor more({4}, DType::f32, Device::cuda);
    } catch (const Error&) {
      add(x_, sum_);
    }
  };
  EXPECT_THAT(complaint(hides_it), HasSubstr("came or went"));
}

TEST_F(Recording, RefusesFreeing) {
  Tensor more({4}, DType::f32, Device::cuda);
  EXPECT_THAT(complaint([&] { more = {}; }), HasSubstr("memory came or went"));
}

TEST_F(Recording, RefusesAnotherWithinIt) {
  const auto two = [&] { (void)Graph::record(context_, [&] { add(x_, sum_); }); };
  EXPECT_THAT(complaint(two), HasSubstr("another recording"));
}

TEST_F(Recording, RefusesTheHost) {
  Tensor host({1, 2}, DType::f32);
  constexpr const char* kWhy = "a copy from or to the host cannot be recorded";
  EXPECT_EQ(complaint([&] { ops::copy(context_, host, x_); }), kWhy);
  EXPECT_EQ(complaint([&] { ops::copy(context_, x_, host); }), kWhy);
  const ops::CopyPair pair{x_, sum_};
  const auto sends_a_table = [&] { ops::copy(context_, std::span(&pair, 1)); };
  sends_a_table();  // its scratch memory is there then
  EXPECT_EQ(complaint(sends_a_table), kWhy);
  EXPECT_NE(complaint([&] { context_.synchronize(); }), "");
}

TEST_F(Recording, AfterAFailureAllIsAsItWas) {
  add(x_, sum_);
  const auto fails = [&] {
    add(x_, sum_);
    fail(ErrorKind::device, "told first");
  };
  EXPECT_EQ(complaint(fails), "told first");
  EXPECT_NE(complaint([&] { context_.synchronize(); }), "");
  EXPECT_THAT(on_host(sum_), ElementsAre(11, 12)) << "nothing of it was done";
  const Graph graph = Graph::record(context_, [&] { add(x_, sum_); });
  graph.launch(context_);
  EXPECT_THAT(on_host(sum_), ElementsAre(12, 14));
}

TEST_F(Recording, IsOfAContextOnAGpu) {
  Context cpu;
  EXPECT_FALSE(cpu.records());
  EXPECT_TRUE(context_.records());
  EXPECT_FALSE(Context({.device = Device::cuda, .record = false}).records());
  EXPECT_THROW((void)Graph::record(cpu, [] {}), Error);
  EXPECT_THROW(Graph().launch(context_), Error);
}

TEST_F(Recording, ScratchMemoryCountsItsAllocations) {
  const uint64_t before = context_.scratch_changes();
  context_.scratch("a", {4}, DType::f32);
  EXPECT_EQ(context_.scratch_changes(), before + 1);
  context_.scratch("a", {2}, DType::f32);
  EXPECT_EQ(context_.scratch_changes(), before + 1);
  context_.scratch("a", {5}, DType::f32);
  context_.scratch("b", {1}, DType::f32);
  EXPECT_EQ(context_.scratch_changes(), before + 3);
}

}  // namespace
}  // namespace memlong
