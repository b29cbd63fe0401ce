// The form in which a bank's manifest keeps them, and the file that a model may carry.
//
// Blob, little-endian: magic "sifpar01", a f32, V u64, C u64, probabilities f32 [V], component
// f32 [C], CRC-32C u32 of everything before it. With vectors the magic is "sifpar02", and they
// stand before the checksum: f16 [V, C].
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
constexpr std::string_view kVectorsMagic = "sifpar02";
constexpr size_t kFixedBytes = 8 + 4 + 8 + 8;

template <class T>
void append(std::string& out, std::span<const T> values) {
  out.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

std::vector<f16> halves(std::span<const float> values) {
  std::vector<f16> out;
  out.reserve(values.size());
  for (const float value : values) out.emplace_back(value);
  return out;
}

/// f16 from bytes of any alignment.
void widen(const std::byte* from, std::span<float> to) {
  for (float& value : to) {
    f16 half;
    std::memcpy(&half, from, sizeof(half));
    value = static_cast<float>(half);
    from += sizeof(half);
  }
}

template <class T>
T read_at(const std::string& blob, size_t offset) {
  T value{};
  std::memcpy(&value, blob.data() + offset, sizeof(T));
  return value;
}

/// The numbers of a tensor that must be `dtype`, f32 or f16, and of that shape.
std::vector<float> read_values(const model::SafetensorsFile& file, const std::string& name,
                               DType dtype, const Shape& wanted) {
  if (!file.contains(name)) {
    fail(ErrorKind::format, file.path().string() + " has no tensor '" + name + "'");
  }
  const TensorView view = file.get(name);
  if (view.dtype() != dtype || view.shape() != wanted) {
    fail(ErrorKind::format, file.path().string() + ": '" + name + "' is " +
                                std::string(dtype_name(view.dtype())) + " " +
                                view.shape().to_string() + "; " + std::string(dtype_name(dtype)) +
                                " " + wanted.to_string() + " fits this model");
  }
  std::vector<float> values(static_cast<size_t>(view.shape().elements()));
  if (dtype == DType::f32) {
    std::memcpy(values.data(), view.raw(), values.size() * sizeof(float));
  } else {
    widen(static_cast<const std::byte*>(view.raw()), values);
  }
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
  std::string out(vectors.empty() ? kMagic : kVectorsMagic);
  append(out, std::span(&a, 1));
  append(out, std::span<const uint64_t>(counts));
  append(out, std::span(token_probability));
  append(out, std::span(component));
  append(out, std::span<const f16>(halves(vectors)));
  const uint32_t crc = crc32c(std::as_bytes(std::span(out)));
  append(out, std::span(&crc, 1));
  return out;
}

SifParameters SifParameters::deserialize(const std::string& blob) {
  const auto damaged = [](const char* what) {
    fail(ErrorKind::corrupt, std::string("the embedder's parameters are damaged: ") + what);
  };
  const bool with_vectors = blob.starts_with(kVectorsMagic);
  if (blob.size() < kFixedBytes + 4 || !(with_vectors || blob.starts_with(kMagic))) {
    damaged("no such record");
  }
  const std::span<const std::byte> bytes = std::as_bytes(std::span(blob));
  if (crc32c(bytes.first(blob.size() - 4)) != read_at<uint32_t>(blob, blob.size() - 4)) {
    damaged("wrong checksum");
  }
  const size_t floats = (blob.size() - kFixedBytes - 4) / sizeof(float);
  const auto vocab = read_at<uint64_t>(blob, 12);
  const auto hidden = read_at<uint64_t>(blob, 20);
  if (vocab > floats || hidden > floats) damaged("wrong length");
  const uint64_t numbers = with_vectors ? vocab * hidden : 0;
  if (kFixedBytes + (vocab + hidden) * sizeof(float) + numbers * sizeof(f16) + 4 != blob.size()) {
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
  at += hidden * sizeof(float);
  parameters.vectors.resize(numbers);
  widen(reinterpret_cast<const std::byte*>(at), parameters.vectors);
  return parameters;
}

std::optional<SifParameters> load_sif(const std::filesystem::path& folder, int64_t vocab,
                                      int64_t hidden) {
  const std::filesystem::path path = folder / "sif.safetensors";
  std::error_code none;
  if (!std::filesystem::exists(path, none)) return std::nullopt;
  const model::SafetensorsFile file(path);
  SifParameters parameters;
  parameters.token_probability = read_values(file, "token_probability", DType::f32, Shape{vocab});
  parameters.component = read_values(file, "component", DType::f32, Shape{hidden});
  if (file.contains("token_vectors")) {
    parameters.vectors = read_values(file, "token_vectors", DType::f16, Shape{vocab, hidden});
  }
  check_values(parameters, path.string());
  return parameters;
}

void save_sif(const std::filesystem::path& file, const SifParameters& parameters) {
  Tensor probability({static_cast<int64_t>(parameters.token_probability.size())}, DType::f32);
  Tensor component({static_cast<int64_t>(parameters.component.size())}, DType::f32);
  std::copy(parameters.token_probability.begin(), parameters.token_probability.end(),
            probability.data<float>());
  std::copy(parameters.component.begin(), parameters.component.end(), component.data<float>());
  std::vector<std::pair<std::string, TensorView>> tensors = {{"token_probability", probability},
                                                             {"component", component}};
  std::vector<f16> vectors = halves(parameters.vectors);
  if (!vectors.empty()) {
    const Shape shape{probability.dim(0), component.dim(0)};
    tensors.emplace_back("token_vectors", TensorView(vectors.data(), DType::f16, shape));
  }
  model::write_safetensors(file, tensors);
}

}  // namespace memlong::retriever
