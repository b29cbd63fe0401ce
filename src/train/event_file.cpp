#include "train/event_file.h"

#include <bit>
#include <span>

#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"

namespace memlong::train {
namespace {

namespace fs = std::filesystem;

enum Wire : uint32_t { kVarint = 0, kDouble = 1, kBytes = 2, kFloat = 5 };

template <class T>
void append_number(std::string& out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) out += static_cast<char>(value >> (8 * i) & 0xFF);
}

void append_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7F) | 0x80);
  out += static_cast<char>(value);
}

void append_key(std::string& out, uint32_t field, Wire wire) {
  append_varint(out, (field << 3) | wire);
}

void append_bytes(std::string& out, uint32_t field, const std::string& bytes) {
  append_key(out, field, kBytes);
  append_varint(out, bytes.size());
  out += bytes;
}

uint32_t masked_crc(const std::string& bytes) {
  return std::rotr(crc32c(std::as_bytes(std::span(bytes))), 15) + 0xA282EAD8U;
}

/// Time and step, with which every event begins.
std::string new_event(int64_t step) {
  std::string event;
  append_key(event, 1, kDouble);
  append_number(event, std::bit_cast<uint64_t>(static_cast<double>(now_micros()) * 1e-6));
  append_key(event, 2, kVarint);
  append_varint(event, static_cast<uint64_t>(step));
  return event;
}

/// TensorBoard reads the files of a folder in the order of their names.
fs::path new_name(const fs::path& folder) {
  const std::string stem = "events.out.tfevents." + std::to_string(now_micros() / 1000000);
  for (int i = 0;; ++i) {
    fs::path path = folder / (stem + "." + std::to_string(i) + ".memlong");
    if (!fs::exists(path)) return path;
  }
}

}  // namespace

EventFile::EventFile(const fs::path& folder, int64_t first_step) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail(ErrorKind::io, "cannot create " + folder.string() + ": " + error.message());
  path_ = new_name(folder);
  file_.open(path_, std::ios::binary);
  if (!file_) fail_errno("cannot create", path_.string());
  std::string version = new_event(0);
  append_bytes(version, 3, "brain.Event:2");
  write_record(version);
  std::string status;
  append_key(status, 1, kVarint);
  append_varint(status, 1);
  std::string start = new_event(first_step);
  append_bytes(start, 7, status);
  write_record(start);
}

void EventFile::scalars(int64_t step, const std::vector<std::pair<std::string, double>>& values) {
  std::string summary;
  for (const auto& [tag, number] : values) {
    std::string value;
    append_bytes(value, 1, tag);
    append_key(value, 2, kFloat);
    append_number(value, std::bit_cast<uint32_t>(static_cast<float>(number)));
    append_bytes(summary, 1, value);
  }
  std::string event = new_event(step);
  append_bytes(event, 5, summary);
  write_record(event);
}

void EventFile::write_record(const std::string& data) {
  std::string length;
  append_number(length, static_cast<uint64_t>(data.size()));
  std::string record = length;
  append_number(record, masked_crc(length));
  record += data;
  append_number(record, masked_crc(data));
  file_.write(record.data(), static_cast<std::streamsize>(record.size()));
  if (!file_.flush()) fail_errno("cannot write", path_.string());
}

}  // namespace memlong::train
