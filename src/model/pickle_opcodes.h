// The opcodes of pickle protocol 2 that a state dict needs. Included only by .cpp files of this
// folder and by tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace memlong::model {

enum class Opcode : uint8_t {
  mark = '(',
  stop = '.',
  empty_tuple = ')',
  binint = 'J',
  binint1 = 'K',
  binint2 = 'M',
  none = 'N',
  binpersid = 'Q',
  reduce = 'R',
  binunicode = 'X',
  build = 'b',
  global = 'c',
  binget = 'h',
  long_binget = 'j',
  binput = 'q',
  long_binput = 'r',
  setitem = 's',
  tuple = 't',
  setitems = 'u',
  empty_dict = '}',
  proto = 0x80,
  tuple1 = 0x85,
  tuple2 = 0x86,
  tuple3 = 0x87,
  newtrue = 0x88,
  newfalse = 0x89,
  long1 = 0x8A,
};

/// Of empty_tuple, tuple1, tuple2 and tuple3.
size_t tuple_size(Opcode opcode);

/// "opcode INST", or "opcode 0x7f" for one that pickle does not have. For messages.
std::string opcode_name(Opcode opcode);

}  // namespace memlong::model
