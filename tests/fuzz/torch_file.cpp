#include "model/torch_file.h"

#include "common/hash.h"
#include "fuzz/target.h"
#include "fuzz/targets.h"
#include "support/temp_folder.h"
#include "support/torch_bytes.h"

namespace memlong::fuzz {
namespace {

constexpr size_t kStorageBytes = 64;

/// A pickle by itself gets an archive around it, with a fresh checksum and two storages, so that a
/// change of the pickle stays a file.
std::string as_file(std::string_view input) {
  if (!input.starts_with('\x80')) return std::string(input);
  const std::string storage(kStorageBytes, '\1');
  return test::torch_bytes(std::string(input), {storage, storage});
}

/// All bytes are touched, and lie in the file: tensors may share them, but none is larger.
void check_tensor(const model::TorchFile& file, const std::string& name, size_t file_bytes) {
  require(file.contains(name), "a tensor of the list is not there");
  const auto view = value_of({ErrorKind::format}, [&] { return file.get(name); });
  require(view.has_value() == file.readable(name), "readable() says something else than get()");
  if (!view) return;
  require(view->elements() >= 0 && view->contiguous(), "a tensor of another layout");
  require(view->bytes() <= file_bytes, "a tensor is larger than its file");
  (void)crc32c({static_cast<const std::byte*>(view->raw()), view->bytes()});
}

}  // namespace

void torch_file(std::string_view input) {
  static const test::TempFolder folder;
  const std::string content = as_file(input);
  const std::string path = folder.write("in.bin", content);
  const auto file = value_of({ErrorKind::format}, [&] { return model::TorchFile(path); });
  if (!file) return;
  for (const std::string& name : file->names()) check_tensor(*file, name, content.size());
}

}  // namespace memlong::fuzz
