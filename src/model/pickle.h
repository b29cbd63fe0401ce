// Python's pickle format, protocol 2: the part in which torch.save writes a state dict.
//
// A pickle is a program, and Python's own reader lets it call anything (CVE-2025-32434 was one way
// around torch's guard). Here nothing is called and nothing imported: the result is plain data, in
// which a call stands as its name and arguments. What is not on the short list is refused by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace memlong::model {

/// A value of a pickle. `number` is a whole number, or says where the rest lies (see Pickle).
struct PickleValue {
  enum class Kind : uint8_t {
    none,
    boolean,     ///< number: 0 or 1
    integer,     ///< number: itself
    text,        ///< Pickle::text
    global,      ///< Pickle::text: "module.name", one of those that were allowed
    tuple,       ///< Pickle::items
    dict,        ///< Pickle::items: key, value, key, value, ...; also collections.OrderedDict
    call,        ///< Pickle::items: what was called (a global), its arguments (a tuple)
    persistent,  ///< Pickle::items: the id by which something outside the pickle is named
  };
  Kind kind = Kind::none;
  int64_t number = 0;
};

std::string_view kind_name(PickleValue::Kind kind);

/// What a pickle holds. Values refer to each other by number, so that they may be shared, and even
/// contain themselves: follow only as deep as is expected. Texts point into the pickle's bytes.
class Pickle {
 public:
  /// Needs memory in proportion to the pickle, which may have at most 16 MiB, a million tuples,
  /// dicts, texts and calls (a state dict has about nine a tensor), and 4096 bytes in a text.
  /// `allowed`: globals besides collections.OrderedDict; they must outlive the result. Thread-safe.
  /// Errors: format, beginning with `origin`.
  static Pickle parse(std::span<const std::byte> bytes, std::span<const std::string_view> allowed,
                      const std::string& origin);

  [[nodiscard]] const PickleValue& root() const { return root_; }
  /// Of a text or global.
  [[nodiscard]] std::string_view text(const PickleValue& value) const;
  /// Of a tuple, dict, call or persistent.
  [[nodiscard]] std::span<const PickleValue> items(const PickleValue& value) const;

 private:
  friend class PickleMachine;

  PickleValue root_;
  std::vector<std::string_view> texts_;
  std::vector<std::vector<PickleValue>> items_;
};

}  // namespace memlong::model
