#include "model/safetensors.h"

#include "common/hash.h"
#include "fuzz/target.h"
#include "fuzz/targets.h"
#include "support/temp_folder.h"

namespace memlong::fuzz {
namespace {

using model::SafetensorsFile;
using Named = std::vector<std::pair<std::string, TensorView>>;

/// A header by itself gets its length in front, so that a change of the header stays a file.
std::string as_file(std::string_view input) {
  const size_t end = input.rfind('}');
  if (!input.starts_with('{') || end == std::string_view::npos) return std::string(input);
  const uint64_t length = end + 1;
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)).append(input);
}

std::span<const std::byte> bytes_of(const TensorView& view) {
  return {static_cast<const std::byte*>(view.raw()), view.bytes()};
}

/// The tensors that can be read; all of their bytes are touched.
Named readable_tensors(const SafetensorsFile& file, size_t file_bytes) {
  Named tensors;
  size_t bytes = 0;
  for (const std::string& name : file.names()) {
    require(file.contains(name), "a tensor of the list is not there");
    const bool got =
        accepted({ErrorKind::format}, [&] { tensors.emplace_back(name, file.get(name)); });
    require(got == file.readable(name), "readable() says something else than get()");
    if (!got) continue;
    const TensorView& view = tensors.back().second;
    require(view.elements() >= 0, "a tensor with less than no elements");
    bytes += view.bytes();
    require(bytes <= file_bytes, "tensors are larger than their file");
    (void)crc32c(bytes_of(view));
  }
  return tensors;
}

void check_same(const SafetensorsFile& written, const Named& tensors) {
  require(written.names().size() == tensors.size(), "a written file has other tensors");
  for (const auto& [name, view] : tensors) {
    const TensorView again = written.get(name);
    require(again.dtype() == view.dtype() && again.shape() == view.shape(),
            "a written tensor has another shape");
    require(crc32c(bytes_of(again)) == crc32c(bytes_of(view)), "a written tensor differs");
  }
}

}  // namespace

void safetensors(std::string_view input) {
  static const test::TempFolder folder;
  const std::string content = as_file(input);
  const std::string path = folder.write("in.safetensors", content);
  const auto file = value_of({ErrorKind::format}, [&] { return SafetensorsFile(path); });
  if (!file) return;
  const Named tensors = readable_tensors(*file, content.size());
  const std::string copy = folder / "out.safetensors";
  model::write_safetensors(copy, tensors, file->metadata());
  const SafetensorsFile written(copy);
  require(written.metadata() == file->metadata(), "metadata changed on the way");
  check_same(written, tensors);
}

}  // namespace memlong::fuzz
