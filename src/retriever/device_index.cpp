#include "retriever/device_index.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "common/error.h"
#include "common/log.h"
#include "retriever/device_mirror.h"
#include "retriever/device_search.h"

namespace memlong::retriever {
namespace {

using Query = std::span<const float>;
using Ranking = std::vector<Hit>;

class DeviceIndex : public VectorIndex {
 public:
  DeviceIndex(std::unique_ptr<RowIndex> rows, const IndexOptions& options)
      : host_(std::move(rows)),
        threads_(options.threads),
        device_(options.device),
        mirror_(options.device, std::max<int64_t>(options.device_rows, 1)) {}

  [[nodiscard]] IndexKind kind() const override { return host_->kind(); }
  [[nodiscard]] int64_t dim() const override { return host_->dim(); }
  [[nodiscard]] int64_t size() const override { return host_->size(); }
  [[nodiscard]] uint64_t last_id() const override { return host_->last_id(); }
  [[nodiscard]] std::span<const float> vector(uint64_t id) const override {
    return host_->vector(id);
  }
  void add(std::span<const uint64_t> ids, std::span<const float> vectors) override {
    host_->add(ids, vectors);
  }
  void remove(std::span<const uint64_t> ids) override { host_->remove(ids); }
  [[nodiscard]] int64_t removed() const override { return host_->removed(); }
  void save(const std::filesystem::path& path, uint64_t generation,
            const std::string& key) const override {
    host_->save(path, generation, key);
  }

  [[nodiscard]] Ranking search(Query query, int64_t k, const IdFilter& filter) const override {
    return std::move(search_all(std::span(&query, 1), k, filter).front());
  }
  [[nodiscard]] std::vector<Ranking> search_all(std::span<const Query> queries, int64_t k,
                                                const IdFilter& filter) const override;

 private:
  std::unique_ptr<RowIndex> host_;
  int threads_;
  mutable std::mutex mutex_;  // of what follows: a search may load, or give the device up
  mutable std::shared_ptr<SearchDevice> device_;
  mutable DeviceMirror mirror_;
};

std::vector<Ranking> DeviceIndex::search_all(std::span<const Query> queries, int64_t k,
                                             const IdFilter& filter) const {
  for (const Query query : queries) {
    MEMLONG_CHECK(static_cast<int64_t>(query.size()) == dim(), "the query has another dimension");
  }
  const std::lock_guard lock(mutex_);
  if (device_ == nullptr || k <= 0) return host_->search_all(queries, k, filter);
  try {
    const RowView rows = host_->rows();
    mirror_.follow(rows);
    if (mirror_.loaded() == 0) return host_->search_all(queries, k, filter);
    return search_on_device(*device_, mirror_, rows, queries, k, filter, threads_);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::device) throw;
    log::warn("the bank is searched on the CPU from now on: " + std::string(error.what()));
  }
  mirror_ = DeviceMirror(nullptr, 0);
  device_ = nullptr;
  return host_->search_all(queries, k, filter);
}

}  // namespace

std::unique_ptr<VectorIndex> make_device_index(std::unique_ptr<RowIndex> rows,
                                               const IndexOptions& options) {
  MEMLONG_CHECK(options.device != nullptr, "a device is needed");
  return std::make_unique<DeviceIndex>(std::move(rows), options);
}

}  // namespace memlong::retriever
