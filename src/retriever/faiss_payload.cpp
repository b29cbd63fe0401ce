#include "retriever/faiss_payload.h"

#include <cstring>

namespace memlong::retriever {
namespace {

constexpr int32_t kInnerProduct = 0;  // faiss::METRIC_INNER_PRODUCT

/// Takes fields off the front; after the first that is not there nothing is good any more.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : left_(bytes) {}

  template <class T>
  T take() {
    T value{};
    if (skip(sizeof(T))) std::memcpy(&value, taken_, sizeof(T));
    return value;
  }
  /// A list: how many elements as u64, and the elements.
  void list(size_t element_bytes) {
    const auto count = take<uint64_t>();
    if (count > left_.size() / element_bytes) {
      good_ = false;
    } else {
      skip(count * element_bytes);
    }
  }
  void expect(bool holds) { good_ = good_ && holds; }
  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] bool at_end() const { return good_ && left_.empty(); }

 private:
  bool skip(uint64_t size) {
    good_ = good_ && size <= left_.size();
    if (!good_) return false;
    taken_ = left_.data();
    left_.remove_prefix(size);
    return true;
  }

  std::string_view left_;
  const char* taken_ = nullptr;
  bool good_ = true;
};

uint32_t code(const char (&name)[5]) {
  uint32_t value = 0;
  std::memcpy(&value, name, sizeof(value));
  return value;
}

/// d, ntotal, two unused numbers, is_trained, metric.
void index_header(Fields& fields, int64_t rows, int64_t dim) {
  fields.expect(fields.take<int32_t>() == dim);
  fields.expect(fields.take<int64_t>() == rows);
  fields.take<int64_t>();
  fields.take<int64_t>();
  fields.expect(fields.take<uint8_t>() == 1);  // untrained, it would refuse new vectors
  fields.expect(fields.take<int32_t>() == kInnerProduct);
}

void flat(Fields& fields, int64_t rows, int64_t dim) {
  fields.expect(fields.take<uint32_t>() == code("IxFI"));
  index_header(fields, rows, dim);
  fields.list(sizeof(float));
}

void hnsw(Fields& fields, int64_t rows, int64_t dim) {
  fields.expect(fields.take<uint32_t>() == code("IHNf"));
  index_header(fields, rows, dim);
  fields.list(sizeof(double));    // assign_probas
  fields.list(sizeof(int32_t));   // cum_nneighbor_per_level
  fields.list(sizeof(int32_t));   // levels
  fields.list(sizeof(uint64_t));  // offsets
  fields.list(sizeof(int32_t));   // neighbors
  // entry_point, max_level, efConstruction, efSearch, upper_beam
  for (int i = 0; i < 5; ++i) fields.take<int32_t>();
  flat(fields, rows, dim);
}

}  // namespace

bool payload_fits(std::string_view payload, IndexKind kind, int64_t rows, int64_t dim) {
  Fields fields(payload);
  if (kind == IndexKind::flat) {
    flat(fields, rows, dim);
  } else {
    hnsw(fields, rows, dim);
  }
  return fields.at_end();
}

}  // namespace memlong::retriever
