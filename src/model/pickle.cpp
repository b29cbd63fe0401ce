#include "model/pickle.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>

#include "common/error.h"
#include "model/pickle_opcodes.h"
#include "model/shown.h"

namespace memlong::model {

using Kind = PickleValue::Kind;

namespace {

constexpr size_t kMaxBytes = size_t{16} << 20;
constexpr size_t kMaxObjects = size_t{1} << 20;
constexpr uint32_t kMaxText = 4096;
constexpr uint8_t kProtocol = 2;
constexpr std::string_view kOrderedDict = "collections.OrderedDict";

bool has_items(Kind kind) {
  return kind == Kind::tuple || kind == Kind::dict || kind == Kind::call ||
         kind == Kind::persistent;
}

}  // namespace

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::none:
      return "None";
    case Kind::boolean:
      return "a truth value";
    case Kind::integer:
      return "a number";
    case Kind::text:
      return "a text";
    case Kind::global:
      return "a class or function";
    case Kind::tuple:
      return "a tuple";
    case Kind::dict:
      return "a dict";
    case Kind::call:
      return "an object";
    default:
      return "a storage";
  }
}

/// The stack machine. Every step takes what it needs from the input or the stack, or refuses.
class PickleMachine {
 public:
  PickleMachine(std::span<const std::byte> bytes, std::span<const std::string_view> allowed,
                const std::string& origin)
      : bytes_(bytes), allowed_(allowed), origin_(origin) {}

  Pickle run() {
    if (bytes_.size() > kMaxBytes) {
      broken("it has " + std::to_string(bytes_.size()) + " bytes; a state dict needs at most " +
             std::to_string(kMaxBytes));
    }
    read_protocol();
    while (step(static_cast<Opcode>(number<uint8_t>()))) {
    }
    if (stack_.size() != 1 || !marks_.empty()) broken("it does not end with one value");
    if (at_ != bytes_.size()) broken("bytes follow its end");
    pickle_.root_ = stack_.back();
    return std::move(pickle_);
  }

 private:
  [[noreturn]] void broken(const std::string& what) const {
    fail(ErrorKind::format, origin_ + ": " + what);
  }

  std::string_view take(uint64_t size) {
    if (size > bytes_.size() - at_) broken("it ends early; the file is cut short or damaged");
    const auto* begin = reinterpret_cast<const char*>(bytes_.data()) + at_;
    at_ += size;
    return {begin, size};
  }

  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  /// Short, so that many that share one stay cheap.
  std::string_view text() {
    const auto size = number<uint32_t>();
    if (size > kMaxText && size <= bytes_.size() - at_) {
      broken("it has a text of " + std::to_string(size) + " bytes; at most " +
             std::to_string(kMaxText) + " are read");
    }
    return take(size);
  }

  std::string_view line() {
    const auto* begin = reinterpret_cast<const char*>(bytes_.data()) + at_;
    const size_t size = std::string_view(begin, bytes_.size() - at_).find('\n');
    if (size == std::string_view::npos) broken("it ends early; the file is cut short or damaged");
    return take(size + 1).substr(0, size);
  }

  void read_protocol() {
    if (static_cast<Opcode>(number<uint8_t>()) != Opcode::proto) broken("it is no pickle");
    const auto protocol = number<uint8_t>();
    if (protocol != kProtocol) {
      broken("its pickle protocol is " + std::to_string(protocol) +
             "; only 2 is read, which torch.save writes unless told otherwise");
    }
  }

  /// The values above the last mark belong to what the mark began.
  PickleValue pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) broken("its stack runs empty");
    const PickleValue value = stack_.back();
    stack_.pop_back();
    return value;
  }

  PickleValue pop(Kind kind) {
    const PickleValue value = pop();
    if (value.kind != kind) {
      broken("it has " + std::string(kind_name(value.kind)) + " where " +
             std::string(kind_name(kind)) + " must stand");
    }
    return value;
  }

  const PickleValue& top() const {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) broken("its stack runs empty");
    return stack_.back();
  }

  std::vector<PickleValue> pop_to_mark() {
    if (marks_.empty()) broken("its stack has no mark");
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleValue> values(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return values;
  }

  void push(Kind kind, int64_t value = 0) { stack_.push_back({kind, value}); }

  void check_objects() const {
    if (pickle_.items_.size() + pickle_.texts_.size() >= kMaxObjects) {
      broken("it has more than " + std::to_string(kMaxObjects) + " objects");
    }
  }

  void push_text(Kind kind, std::string_view text) {
    check_objects();
    pickle_.texts_.push_back(text);
    push(kind, static_cast<int64_t>(pickle_.texts_.size() - 1));
  }

  void push_items(Kind kind, std::vector<PickleValue> items) {
    check_objects();
    pickle_.items_.push_back(std::move(items));
    push(kind, static_cast<int64_t>(pickle_.items_.size() - 1));
  }

  void push_tuple(size_t size) {
    std::vector<PickleValue> values(size);
    for (size_t i = size; i-- > 0;) values[i] = pop();
    push_items(Kind::tuple, std::move(values));
  }

  /// A whole number of any length, little-endian, in two's complement.
  void push_long() {
    const std::string_view digits = take(number<uint8_t>());
    if (digits.size() > sizeof(int64_t)) broken("it has a number of more than 64 bits");
    const bool negative = !digits.empty() && (static_cast<uint8_t>(digits.back()) & 0x80U) != 0;
    int64_t value = negative ? -1 : 0;
    std::memcpy(&value, digits.data(), digits.size());
    push(Kind::integer, value);
  }

  void push_global() {
    const std::string_view module = line();
    const std::string_view name = line();
    const std::string whole = std::string(module) + "." + std::string(name);
    if (whole == kOrderedDict) return push_text(Kind::global, kOrderedDict);
    const auto found = std::find(allowed_.begin(), allowed_.end(), whole);
    if (found == allowed_.end()) {
      broken("it asks for " + shown(whole) +
             ", which no state dict needs; a pickle can run any code, so it is refused");
    }
    push_text(Kind::global, *found);
  }

  /// An ordered dict becomes a dict, and any other call is only noted.
  void reduce() {
    const PickleValue arguments = pop(Kind::tuple);
    const PickleValue callee = pop(Kind::global);
    if (pickle_.text(callee) != kOrderedDict) return push_items(Kind::call, {callee, arguments});
    if (!pickle_.items(arguments).empty()) broken("an OrderedDict has arguments");
    push_items(Kind::dict, {});
  }

  /// What an object is told to remember besides: torch notes versions of modules (_metadata).
  void drop_state() {
    pop(Kind::dict);
    if (top().kind != Kind::dict) broken("something other than a dict has a state");
  }

  void set_items(std::span<const PickleValue> pairs) {
    if (pairs.size() % 2 != 0) broken("a key has no value");
    const PickleValue& dict = top();
    if (dict.kind != Kind::dict) broken("something other than a dict gets items");
    auto& items = pickle_.items_[static_cast<size_t>(dict.number)];
    items.insert(items.end(), pairs.begin(), pairs.end());
  }

  void set_item() {
    const PickleValue value = pop();
    const PickleValue key = pop();
    set_items(std::array<PickleValue, 2>{key, value});
  }

  void put(uint32_t id) { memo_[id] = top(); }

  void get(uint32_t id) {
    const auto found = memo_.find(id);
    if (found == memo_.end()) broken("it refers to a value that is not there");
    stack_.push_back(found->second);
  }

  /// False at the end.
  bool step(Opcode opcode) {
    switch (opcode) {
      case Opcode::stop:
        return false;
      case Opcode::mark:
        marks_.push_back(stack_.size());
        return true;
      case Opcode::build:
        drop_state();
        return true;
      case Opcode::setitem:
        set_item();
        return true;
      case Opcode::setitems:
        set_items(pop_to_mark());
        return true;
      case Opcode::binput:
        put(number<uint8_t>());
        return true;
      case Opcode::long_binput:
        put(number<uint32_t>());
        return true;
      default:
        push_value(opcode);
        return true;
    }
  }

  void push_value(Opcode opcode) {
    switch (opcode) {
      case Opcode::none:
        return push(Kind::none);
      case Opcode::newtrue:
        return push(Kind::boolean, 1);
      case Opcode::newfalse:
        return push(Kind::boolean, 0);
      case Opcode::binint:
        return push(Kind::integer, number<int32_t>());
      case Opcode::binint1:
        return push(Kind::integer, number<uint8_t>());
      case Opcode::binint2:
        return push(Kind::integer, number<uint16_t>());
      case Opcode::long1:
        return push_long();
      case Opcode::binunicode:
        return push_text(Kind::text, text());
      case Opcode::global:
        return push_global();
      case Opcode::empty_dict:
        return push_items(Kind::dict, {});
      case Opcode::empty_tuple:
      case Opcode::tuple1:
      case Opcode::tuple2:
      case Opcode::tuple3:
        return push_tuple(tuple_size(opcode));
      case Opcode::tuple:
        return push_items(Kind::tuple, pop_to_mark());
      case Opcode::binget:
        return get(number<uint8_t>());
      case Opcode::long_binget:
        return get(number<uint32_t>());
      case Opcode::binpersid:
        return push_items(Kind::persistent, {pop()});
      case Opcode::reduce:
        return reduce();
      default:
        broken("it uses pickle's " + opcode_name(opcode) + ", which no state dict needs; refused");
    }
  }

  std::span<const std::byte> bytes_;
  std::span<const std::string_view> allowed_;
  const std::string& origin_;
  size_t at_ = 0;
  Pickle pickle_;
  std::vector<PickleValue> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, PickleValue> memo_;
};

Pickle Pickle::parse(std::span<const std::byte> bytes, std::span<const std::string_view> allowed,
                     const std::string& origin) {
  return PickleMachine(bytes, allowed, origin).run();
}

std::string_view Pickle::text(const PickleValue& value) const {
  MEMLONG_CHECK(value.kind == Kind::text || value.kind == Kind::global, "no text");
  return texts_[static_cast<size_t>(value.number)];
}

std::span<const PickleValue> Pickle::items(const PickleValue& value) const {
  MEMLONG_CHECK(has_items(value.kind), "nothing that has items");
  return items_[static_cast<size_t>(value.number)];
}

}  // namespace memlong::model
