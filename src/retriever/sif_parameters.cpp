// The form in which a bank's manifest keeps them, and the file that a model may carry.
//
// Blob, little-endian: magic "sifpar01", a f32, V u64, C u64, probabilities f32 [V], component
// f32 [C], CRC-32C u32 of everything before it.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "common/error.h"
#include "common/hash.h"
#include "model/safetensors.h"
#include "retriever/embedder.h"
#include "retriever/unit_vector.h"

namespace memlong::retriever {
namespace {

constexpr std::string_view kMagic = "sifpar01";
constexpr size_t kFixedBytes = 8 + 4 + 8 + 8;

template <class T>
void append(std::string& out, std::span<const T> values) {
  out.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

template <class T>
T read_at(const std::string& blob, size_t offset) {
  T value{};
  std::memcpy(&value, blob.data() + offset, sizeof(T));
  return value;
}

std::vector<float> read_vector(const model::SafetensorsFile& file, const std::string& name,
                               int64_t wanted) {
  if (!file.contains(name)) {
    fail(ErrorKind::format, file.path().string() + " has no tensor '" + name + "'");
  }
  const TensorView view = file.get(name);
  if (view.dtype() != DType::f32 || view.shape() != Shape{wanted}) {
    fail(ErrorKind::format, file.path().string() + ": '" + name + "' is " +
                                std::string(dtype_name(view.dtype())) + " " +
                                view.shape().to_string() + "; f32 [" + std::to_string(wanted) +
                                "] fits this model");
  }
  std::vector<float> values(static_cast<size_t>(wanted));
  std::memcpy(values.data(), view.raw(), values.size() * sizeof(float));
  for (const float value : values) {
    if (std::isfinite(value)) continue;
    fail(ErrorKind::format, file.path().string() + ": '" + name + "' holds no finite number");
  }
  return values;
}

void check_values(const SifParameters& parameters, const std::string& path) {
  for (const float probability : parameters.token_probability) {
    if (probability >= 0.0F && probability <= 1.0F) continue;
    fail(ErrorKind::format, path + ": 'token_probability' has a value outside 0 to 1");
  }
  const double norm = length(std::span(parameters.component));
  if (norm != 0.0 && std::abs(norm - 1.0) > 1e-2) {
    fail(ErrorKind::format, path + ": 'component' must have length 1, or be zero");
  }
}

}  // namespace

std::string SifParameters::serialize() const {
  const uint64_t counts[] = {token_probability.size(), component.size()};
  std::string out(kMagic);
  append(out, std::span(&a, 1));
  append(out, std::span<const uint64_t>(counts));
  append(out, std::span(token_probability));
  append(out, std::span(component));
  const uint32_t crc = crc32c(std::as_bytes(std::span(out)));
  append(out, std::span(&crc, 1));
  return out;
}

SifParameters SifParameters::deserialize(const std::string& blob) {
  const auto damaged = [](const char* what) {
    fail(ErrorKind::corrupt, std::string("the embedder's parameters are damaged: ") + what);
  };
  if (blob.size() < kFixedBytes + 4 || !blob.starts_with(kMagic)) damaged("no such record");
  const std::span<const std::byte> bytes = std::as_bytes(std::span(blob));
  if (crc32c(bytes.first(blob.size() - 4)) != read_at<uint32_t>(blob, blob.size() - 4)) {
    damaged("wrong checksum");
  }
  const size_t floats = (blob.size() - kFixedBytes - 4) / sizeof(float);
  const auto vocab = read_at<uint64_t>(blob, 12);
  const auto hidden = read_at<uint64_t>(blob, 20);
  if (vocab > floats || hidden > floats ||
      kFixedBytes + (vocab + hidden) * sizeof(float) + 4 != blob.size()) {
    damaged("wrong length");
  }
  SifParameters parameters;
  parameters.a = read_at<float>(blob, 8);
  parameters.token_probability.resize(vocab);
  parameters.component.resize(hidden);
  const char* at = blob.data() + kFixedBytes;
  if (vocab > 0) std::memcpy(parameters.token_probability.data(), at, vocab * sizeof(float));
  at += vocab * sizeof(float);
  if (hidden > 0) std::memcpy(parameters.component.data(), at, hidden * sizeof(float));
  return parameters;
}

std::optional<SifParameters> load_sif(const std::filesystem::path& folder, int64_t vocab,
                                      int64_t hidden) {
  const std::filesystem::path path = folder / "sif.safetensors";
  std::error_code none;
  if (!std::filesystem::exists(path, none)) return std::nullopt;
  const model::SafetensorsFile file(path);
  SifParameters parameters;
  parameters.token_probability = read_vector(file, "token_probability", vocab);
  parameters.component = read_vector(file, "component", hidden);
  check_values(parameters, path.string());
  return parameters;
}

void save_sif(const std::filesystem::path& folder, const SifParameters& parameters) {
  Tensor probability({static_cast<int64_t>(parameters.token_probability.size())}, DType::f32);
  Tensor component({static_cast<int64_t>(parameters.component.size())}, DType::f32);
  std::copy(parameters.token_probability.begin(), parameters.token_probability.end(),
            probability.data<float>());
  std::copy(parameters.component.begin(), parameters.component.end(), component.data<float>());
  model::write_safetensors(folder / "sif.safetensors",
                           {{"token_probability", probability}, {"component", component}});
}

}  // namespace memlong::retriever
