#include "common/error.h"
#include "retriever/embedder.h"
#include "retriever/unit_vector.h"

namespace memlong::retriever {
namespace {

class PooledEmbedder : public Embedder {
 public:
  explicit PooledEmbedder(int64_t width) : width_(width) {}

  [[nodiscard]] std::string name() const override { return "pooled"; }
  [[nodiscard]] int64_t dim() const override { return width_; }
  [[nodiscard]] bool needs_hidden() const override { return true; }

  void embed(std::span<const int32_t> ids, const TensorView& hidden,
             std::span<float> out) const override {
    MEMLONG_CHECK(static_cast<int64_t>(out.size()) == width_, "the vector has another dimension");
    std::vector<double> sum(out.size(), 0.0);
    if (!ids.empty()) {
      MEMLONG_CHECK(hidden.rank() == 2 && hidden.dim(0) == static_cast<int64_t>(ids.size()) &&
                        hidden.dim(1) == width_,
                    "the pooled embedder needs a hidden state for each token");
      const auto* rows = hidden.data<float>();
      for (int64_t t = 0; t < hidden.dim(0); ++t) {
        const float* row = rows + t * hidden.stride(0);
        for (size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(row[i]);
      }
    }
    write_unit(sum, 0.0, out);
  }

 private:
  int64_t width_;
};

}  // namespace

std::shared_ptr<const Embedder> make_pooled_embedder(int64_t hidden) {
  MEMLONG_CHECK(hidden > 0, "the pooled embedder needs a width");
  return std::make_shared<PooledEmbedder>(hidden);
}

}  // namespace memlong::retriever
