// TensorBoard event files: scalars that `tensorboard --logdir` shows.
//
// A file is a row of records, each of them: length u64, masked CRC-32C of these 8 bytes u32, data,
// masked CRC-32C of the data u32 (all little-endian; mask: rotate right by 15, add 0xa282ead8). The
// data are a protobuf message `Event`, of which these fields are written (number: wire type):
//
//   1 wall_time: double    2 step: varint       3 file_version: bytes, first record only
//   5 summary: message { 1 value: message { 1 tag: bytes, 2 simple_value: float } repeated }
//   7 session_log: message { 1 status: varint, 1 = start }
//
// A start with step s makes TensorBoard forget what older files of the folder say of steps >= s.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace memlong::train {

/// Not thread-safe. Records are on their way to the disk when a function returns.
class EventFile {
 public:
  /// A new file in `folder` (made when it is not there) for steps from `first_step` on. Errors: io.
  EventFile(const std::filesystem::path& folder, int64_t first_step);
  /// Numbers that are not finite are written as they are. Errors: io.
  void scalars(int64_t step, const std::vector<std::pair<std::string, double>>& values);
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  void write_record(const std::string& data);

  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace memlong::train
