#include "model/pickle_opcodes.h"

#include <algorithm>
#include <array>

namespace memlong::model {
namespace {

struct Name {
  uint8_t code;
  const char* name;
};

/// Those of protocols 0 to 5 that are not read.
constexpr Name kRefused[] = {
    {'0', "POP"},
    {'1', "POP_MARK"},
    {'2', "DUP"},
    {'F', "FLOAT"},
    {'I', "INT"},
    {'L', "LONG"},
    {'P', "PERSID"},
    {'S', "STRING"},
    {'T', "BINSTRING"},
    {'U', "SHORT_BINSTRING"},
    {'V', "UNICODE"},
    {'B', "BINBYTES"},
    {'C', "SHORT_BINBYTES"},
    {'G', "BINFLOAT"},
    {'a', "APPEND"},
    {'d', "DICT"},
    {'e', "APPENDS"},
    {'g', "GET"},
    {'i', "INST"},
    {'l', "LIST"},
    {'o', "OBJ"},
    {'p', "PUT"},
    {']', "EMPTY_LIST"},
    {0x80, "PROTO"},
    {0x81, "NEWOBJ"},
    {0x82, "EXT1"},
    {0x83, "EXT2"},
    {0x84, "EXT4"},
    {0x8B, "LONG4"},
    {0x8C, "SHORT_BINUNICODE"},
    {0x8D, "BINUNICODE8"},
    {0x8E, "BINBYTES8"},
    {0x8F, "EMPTY_SET"},
    {0x90, "ADDITEMS"},
    {0x91, "FROZENSET"},
    {0x92, "NEWOBJ_EX"},
    {0x93, "STACK_GLOBAL"},
    {0x94, "MEMOIZE"},
    {0x95, "FRAME"},
    {0x96, "BYTEARRAY8"},
    {0x97, "NEXT_BUFFER"},
    {0x98, "READONLY_BUFFER"},
};

}  // namespace

size_t tuple_size(Opcode opcode) {
  if (opcode == Opcode::empty_tuple) return 0;
  return static_cast<size_t>(opcode) - static_cast<size_t>(Opcode::tuple1) + 1;
}

std::string opcode_name(Opcode opcode) {
  const auto code = static_cast<uint8_t>(opcode);
  const auto* known = std::find_if(std::begin(kRefused), std::end(kRefused),
                                   [&](const Name& name) { return name.code == code; });
  if (known != std::end(kRefused)) return std::string("opcode ") + known->name;
  constexpr std::array<char, 17> kDigits = {"0123456789abcdef"};
  return std::string("opcode 0x") + kDigits[code >> 4] + kDigits[code & 0xF];
}

}  // namespace memlong::model
