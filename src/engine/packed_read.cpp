// PackedFileReader.
#include <algorithm>
#include <sys/mman.h>

#include "common/error.h"
#include "engine/packed_file.h"
#include "engine/packed_index.h"
#include "tensor/parallel.h"

namespace memlong::engine {

PackedFileReader::PackedFileReader(const std::filesystem::path& path)
    : path_(path), file_(std::make_shared<const MappedFile>(path)) {
  PackedIndex index = read_packed_index(file_->bytes(), path_);
  // Where the file system has large folios (ext4 from Linux 6.16 on) weights lie in huge pages.
  ::madvise(const_cast<std::byte*>(file_->bytes().data()), file_->bytes().size(), MADV_HUGEPAGE);
  about_ = std::move(index.about);
  entries_ = std::move(index.entries);
}

ops::PackedStorage::Place PackedFileReader::next(size_t bytes, const std::string& layout) {
  const PackedEntry* entry = given_ < entries_.size() ? &entries_[given_] : nullptr;
  if (entry == nullptr || entry->bytes != bytes || entry->layout != layout) {
    fail(ErrorKind::mismatch, path_.string() + ": weight " + std::to_string(given_) +
                                  " was packed for another processor or thread count");
  }
  ++given_;
  // Weights are never written to.
  auto* memory = const_cast<std::byte*>(file_->bytes().data() + entry->offset);
  return {.memory = std::shared_ptr<void>(std::const_pointer_cast<MappedFile>(file_), memory),
          .filled = true};
}

void PackedFileReader::fetch(const Context& context) const {
  constexpr size_t kPiece = size_t{16} << 20;
  constexpr double kNanoseconds = 1e6;  // of a piece that is in main memory; from disk more
  const PackedEntry last = given_ == 0 ? PackedEntry() : entries_[given_ - 1];
  const size_t end = last.offset + last.bytes;
  const auto pieces = static_cast<int64_t>((end + kPiece - 1) / kPiece);
  parallel_for(context, pieces, kNanoseconds, [&](int64_t piece) {
    const size_t begin = static_cast<size_t>(piece) * kPiece;
    auto* memory = const_cast<std::byte*>(file_->bytes().data() + begin);
    const size_t size = std::min(kPiece, end - begin);
    // Where the kernel does not know how (before 5.14), pages come when they are used.
    ::madvise(memory, size, MADV_POPULATE_READ);
  });
}

}  // namespace memlong::engine
