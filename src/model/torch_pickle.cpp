#include "model/torch_pickle.h"

#include <algorithm>
#include <array>

#include "common/error.h"
#include "model/pickle.h"
#include "model/shown.h"

namespace memlong::model {
namespace {

using Kind = PickleValue::Kind;
using Items = std::span<const PickleValue>;

constexpr std::string_view kRebuildTensor = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kRebuildParameter = "torch._utils._rebuild_parameter";
constexpr size_t kMaxRank = 8;  ///< one list of sizes may stand for any number of tensors

constexpr FileType kStorages[] = {
    {"torch.FloatStorage", 4, DType::f32},
    {"torch.HalfStorage", 2, DType::f16},
    {"torch.BFloat16Storage", 2, DType::bf16},
    {"torch.IntStorage", 4, DType::i32},
    {"torch.LongStorage", 8, DType::i64},
    {"torch.ByteStorage", 1, DType::u8},
    {"torch.DoubleStorage", 8, {}},
    {"torch.ShortStorage", 2, {}},
    {"torch.CharStorage", 1, {}},
    {"torch.BoolStorage", 1, {}},
    {"torch.ComplexFloatStorage", 8, {}},
    {"torch.ComplexDoubleStorage", 16, {}},
};

constexpr auto make_allowed() {
  std::array<std::string_view, std::size(kStorages) + 2> names{};
  for (size_t i = 0; i < std::size(kStorages); ++i) names[i] = kStorages[i].name;
  names[std::size(kStorages)] = kRebuildTensor;
  names[std::size(kStorages) + 1] = kRebuildParameter;
  return names;
}
constexpr auto kAllowed = make_allowed();

/// Reads one tensor's description.
class TensorReader {
 public:
  TensorReader(const Pickle& pickle, std::string_view name, const std::string& origin)
      : pickle_(pickle), where_(origin + ": tensor " + shown(name)) {
    tensor_.name = name;
  }

  TorchTensor read(const PickleValue& value) {
    Items call = call_of(value);
    if (pickle_.text(call[0]) == kRebuildParameter) {  // tensor, requires_grad, hooks
      call = call_of(arguments(call, 3, 3)[0]);
    }
    if (pickle_.text(call[0]) != kRebuildTensor) broken("it is not described as torch does");
    // storage, offset, sizes, strides, requires_grad, hooks, and lately metadata
    const Items all = arguments(call, 6, 7);
    read_storage(all[0]);
    read_layout(whole(all[1]), numbers(all[2]), numbers(all[3]));
    return tensor_;
  }

 private:
  [[noreturn]] void broken(const std::string& what) const {
    fail(ErrorKind::format, where_ + ": " + what);
  }

  Items call_of(const PickleValue& value) const {
    if (value.kind != Kind::call) {
      broken("it is " + std::string(kind_name(value.kind)) +
             ", not a tensor; what is read is one " +
             "dict of tensors by name, as model.save_pretrained writes it");
    }
    return pickle_.items(value);
  }

  Items arguments(Items call, size_t least, size_t most) const {
    const Items all = pickle_.items(call[1]);
    if (all.size() < least || all.size() > most) broken("it is not described as torch does");
    return all;
  }

  uint64_t whole(const PickleValue& value) const {
    if (value.kind != Kind::integer || value.number < 0) {
      broken("its place, sizes and strides must be whole numbers >= 0");
    }
    return static_cast<uint64_t>(value.number);
  }

  std::vector<uint64_t> numbers(const PickleValue& value) const {
    if (value.kind != Kind::tuple) broken("its sizes and strides must be tuples");
    const Items items = pickle_.items(value);
    if (items.size() > kMaxRank) {
      broken("it has " + std::to_string(items.size()) + " dimensions; at most " +
             std::to_string(kMaxRank) + " are read");
    }
    std::vector<uint64_t> all;
    for (const PickleValue& item : items) all.push_back(whole(item));
    return all;
  }

  /// ("storage", class, key, device, elements)
  void read_storage(const PickleValue& value) {
    if (value.kind != Kind::persistent) broken("it has no storage");
    const PickleValue& id = pickle_.items(value)[0];
    const Items parts = id.kind == Kind::tuple ? pickle_.items(id) : Items();
    if (parts.size() != 5 || parts[0].kind != Kind::text || pickle_.text(parts[0]) != "storage" ||
        parts[1].kind != Kind::global || parts[2].kind != Kind::text) {
      broken("its storage is not described as torch does");
    }
    const std::string_view type = pickle_.text(parts[1]);
    const auto* known = std::find_if(std::begin(kStorages), std::end(kStorages),
                                     [&](const FileType& item) { return type == item.name; });
    if (known == std::end(kStorages)) broken("its storage is of no known class");
    tensor_.type = known;
    tensor_.storage = pickle_.text(parts[2]);
    tensor_.storage_bytes = bytes_needed({whole(parts[4])}, known->size, where_ + ": its storage");
  }

  void read_layout(uint64_t offset, std::vector<uint64_t> dims,
                   const std::vector<uint64_t>& strides) {
    if (dims.size() != strides.size()) broken("it has more sizes than strides, or fewer");
    const uint64_t size = tensor_.type->size;
    const uint64_t bytes = bytes_needed(dims, size, where_);
    uint64_t dense = 1;  // the stride that a contiguous tensor has
    uint64_t last = offset;
    bool overflow = false;
    for (size_t i = dims.size(); i-- > 0;) {
      uint64_t reach = 0;
      const uint64_t steps = std::max<uint64_t>(dims[i], 1) - 1;
      overflow = overflow || __builtin_mul_overflow(steps, strides[i], &reach) ||
                 __builtin_add_overflow(last, reach, &last);
      tensor_.contiguous = tensor_.contiguous && (dims[i] <= 1 || strides[i] == dense);
      dense *= std::max<uint64_t>(dims[i], 1);
    }
    const uint64_t elements = tensor_.storage_bytes / size;
    if (bytes == 0) {
      if (offset > elements) broken("it begins outside its storage");
      tensor_.contiguous = true;
    } else if (overflow || last >= elements) {
      broken("it does not fit its storage of " + std::to_string(elements) + " elements");
    }
    tensor_.begin = offset * size;
    tensor_.dims = std::move(dims);
  }

  const Pickle& pickle_;
  std::string where_;
  TorchTensor tensor_;
};

}  // namespace

std::vector<TorchTensor> parse_state_dict(std::span<const std::byte> pickle,
                                          const std::string& origin) {
  const Pickle whole = Pickle::parse(pickle, kAllowed, origin);
  if (whole.root().kind != Kind::dict) {
    fail(ErrorKind::format, origin + ": it holds " + std::string(kind_name(whole.root().kind)) +
                                ", not a dict of tensors by name");
  }
  const Items items = whole.items(whole.root());
  std::vector<TorchTensor> tensors;
  for (size_t i = 0; i < items.size(); i += 2) {
    if (items[i].kind != Kind::text) fail(ErrorKind::format, origin + ": a name is not a text");
    tensors.push_back(TensorReader(whole, whole.text(items[i]), origin).read(items[i + 1]));
  }
  return tensors;
}

}  // namespace memlong::model
