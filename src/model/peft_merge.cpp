#include "model/peft_merge.h"

#include <array>
#include <cstring>
#include <span>
#include <string_view>

#include "common/error.h"
#include "model/overlay_check.h"
#include "model/peft_config.h"

namespace memlong::model {
namespace {

constexpr std::string_view kPrefix = "base_model.model.";

/// What a tensor of the file is for.
struct Role {
  enum class Kind : uint8_t { lora_a, lora_b, whole };
  Kind kind = Kind::whole;
  std::string target;  ///< the base's tensor, "model.layers.5.self_attn.q_proj.weight"
};

/// Names may lack the prefix, and older versions kept the adapter's name, "default", in them.
Role role_of(const std::string& name) {
  std::string_view text = name;
  if (text.starts_with(kPrefix)) text.remove_prefix(kPrefix.size());
  static constexpr std::array<std::pair<std::string_view, Role::Kind>, 8> kEndings = {{
      {".lora_A.weight", Role::Kind::lora_a},
      {".lora_A.default.weight", Role::Kind::lora_a},
      {".lora_B.weight", Role::Kind::lora_b},
      {".lora_B.default.weight", Role::Kind::lora_b},
      {".modules_to_save.default.weight", Role::Kind::whole},
      {".modules_to_save.default.bias", Role::Kind::whole},
      {".modules_to_save.weight", Role::Kind::whole},
      {".modules_to_save.bias", Role::Kind::whole},
  }};
  for (const auto& [ending, kind] : kEndings) {
    if (!text.ends_with(ending)) continue;
    text.remove_suffix(ending.size());
    return {kind, std::string(text) + (ending.ends_with(".bias") ? ".bias" : ".weight")};
  }
  return {Role::Kind::whole, std::string(text)};
}

struct Piece {
  std::string name;  ///< in the file
  TensorView view;
};

/// What the file has for one tensor of the base: both halves of a LoRA, or the whole.
struct Change {
  Piece a;
  Piece b;
  Piece whole;
};

std::map<std::string, Change> collect(const TensorFile& file, const OverlayCheck& check) {
  std::map<std::string, Change> changes;
  for (const std::string& name : file.names()) {
    const Role role = role_of(name);
    (void)check.upper_shape(name, role.target);
    Change& change = changes[role.target];
    Piece& piece = role.kind == Role::Kind::lora_a   ? change.a
                   : role.kind == Role::Kind::lora_b ? change.b
                                                     : change.whole;
    if (!piece.name.empty()) check.refuse(name, "stands for the same as " + piece.name);
    piece = {name, file.get(name)};
  }
  return changes;
}

/// A is [rank, in], B [out, rank] for a W of [out, in].
void check_change(const std::string& target, const Change& change, int64_t rank,
                  const OverlayCheck& check) {
  const Piece& any = change.a.name.empty() ? change.b : change.a;
  if (!change.whole.name.empty()) {
    if (!any.name.empty()) check.refuse(any.name, "and " + change.whole.name + " change the same");
    check.tensor(change.whole.name, change.whole.view,
                 check.upper_shape(change.whole.name, target));
    return;
  }
  if (change.a.name.empty() || change.b.name.empty()) {
    check.refuse(any.name,
                 std::string("has no lora_") + (change.a.name.empty() ? "A" : "B") + " beside it");
  }
  const Shape& shape = check.upper_shape(any.name, target);
  if (shape.rank() != 2) check.refuse(any.name, "is for a tensor that is no matrix");
  for (const auto& [piece, dim] : {std::pair(&change.a, 0), std::pair(&change.b, 1)}) {
    if (piece->view.rank() == 2 && piece->view.dim(dim) != rank) {
      check.refuse(piece->name, "has rank " + std::to_string(piece->view.dim(dim)) +
                                    "; adapter_config.json says " + std::to_string(rank));
    }
  }
  check.tensor(change.a.name, change.a.view, {rank, shape[1]});
  check.tensor(change.b.name, change.b.view, {shape[0], rank});
}

/// Safetensors, where there are both.
std::filesystem::path tensors_of(const std::filesystem::path& folder) {
  std::error_code ignored;
  const std::filesystem::path safe = folder / "adapter_model.safetensors";
  return std::filesystem::exists(safe, ignored) ? safe : folder / "adapter_model.bin";
}

template <class T>
void to_floats(const std::byte* from, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, from + i * sizeof(T), sizeof(T));  // a mapped file may be unaligned
    out[i] = static_cast<float>(value);
  }
}

/// Row `row` of a contiguous matrix, [columns].
void read_row(const TensorView& view, int64_t row, std::span<float> out) {
  const auto* from = static_cast<const std::byte*>(view.raw()) +
                     static_cast<size_t>(row) * out.size() * dtype_size(view.dtype());
  if (view.dtype() == DType::bf16) return to_floats<bf16>(from, out);
  if (view.dtype() == DType::f16) return to_floats<f16>(from, out);
  to_floats<float>(from, out);
}

Tensor merged(const TensorView& base, const TensorView& a, const TensorView& b, float scale) {
  const int64_t rank = a.dim(0);
  const auto in = static_cast<size_t>(a.dim(1));
  std::vector<float> a_rows(static_cast<size_t>(rank) * in);
  for (int64_t r = 0; r < rank; ++r) {
    read_row(a, r, std::span(a_rows).subspan(static_cast<size_t>(r) * in, in));
  }
  std::vector<float> b_row(static_cast<size_t>(rank));
  std::vector<float> sum(in);
  Tensor out(base.shape(), DType::f32);
  for (int64_t o = 0; o < base.dim(0); ++o) {
    read_row(b, o, b_row);
    std::fill(sum.begin(), sum.end(), 0.0F);
    for (size_t r = 0; r < b_row.size(); ++r) {
      const float* row = a_rows.data() + r * in;
      for (size_t i = 0; i < in; ++i) sum[i] += b_row[r] * row[i];
    }
    const std::span<float> to(out.data<float>() + static_cast<size_t>(o) * in, in);
    read_row(base, o, to);
    for (size_t i = 0; i < in; ++i) to[i] += scale * sum[i];
  }
  return out;
}

}  // namespace

std::vector<std::pair<std::string, Tensor>> merge_peft(const std::filesystem::path& folder,
                                                       const WeightStore& base,
                                                       const ModelConfig& config,
                                                       int64_t memory_layer) {
  const PeftConfig settings = PeftConfig::read(folder);
  const auto file = open_tensor_file(tensors_of(folder));
  const OverlayCheck check(base, config, memory_layer, file->path(),
                           "; merge it with peft (merge_and_unload) and take that as the model");
  const auto layer_of = [](const std::string& target) {
    return target.substr(0, target.size() - std::string_view(".weight").size());
  };
  const std::map<std::string, Change> changes = collect(*file, check);
  if (changes.empty()) fail(ErrorKind::mismatch, "adapter " + folder.string() + " has no tensors");
  for (const auto& [target, change] : changes) {
    const bool lora = change.whole.name.empty();
    check_change(target, change, lora ? settings.rank(layer_of(target)) : 0, check);
  }
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const auto& [target, change] : changes) {
    if (!change.whole.name.empty()) {
      tensors.emplace_back(target, Tensor::copy_of(change.whole.view));
      continue;
    }
    const auto& [a, b] = std::pair(change.a.view, change.b.view);
    const TensorView weight = base.get(target, {b.dim(0), a.dim(1)});
    if (!is_float(weight.dtype())) check.refuse(change.a.name, "changes no float weight");
    const auto scale = static_cast<float>(settings.scale(layer_of(target)));
    tensors.emplace_back(target, merged(weight, a, b, scale));
  }
  return tensors;
}

}  // namespace memlong::model
