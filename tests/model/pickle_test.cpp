#include "model/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/refusal.h"
#include "support/torch_bytes.h"

namespace memlong::model {
namespace {

using test::le;
using test::PickleBytes;
using testing::HasSubstr;
using testing::StartsWith;
using Kind = PickleValue::Kind;

constexpr std::string_view kAllowed[] = {"torch.Thing", "torch.other"};

Pickle parse(const std::string& bytes) {
  return Pickle::parse(std::as_bytes(std::span(bytes)), kAllowed, "x.bin");
}

std::string refusal(const std::string& bytes) {
  return refusal_of([&] { parse(bytes); });
}

/// What stands between the protocol and the end.
std::string body(const std::string& bytes) {
  return PickleBytes().proto().raw(bytes).op(Opcode::stop).bytes();
}

int64_t number(const std::string& bytes) { return parse(bytes).root().number; }

TEST(Pickle, WholeNumbers) {
  EXPECT_EQ(number(body("K\xff")), 255);
  EXPECT_EQ(number(body("M\x01\x02")), 0x201);
  EXPECT_EQ(number(body("J\xfe\xff\xff\xff")), -2);
  EXPECT_EQ(number(body(std::string("\x8a\0", 2))), 0);
  EXPECT_EQ(number(body("\x8a\x01\xff")), -1);
  EXPECT_EQ(number(body(std::string("\x8a\x05\0\0\0\0\x01", 7))), int64_t{1} << 32);
  EXPECT_EQ(number(body("\x8a\x08" + le(INT64_MIN))), INT64_MIN);
  EXPECT_EQ(number(body("\x88")), 1);
  EXPECT_EQ(number(body("\x89")), 0);
  EXPECT_EQ(parse(body("N")).root().kind, Kind::none);
}

TEST(Pickle, TuplesDictsAndTexts) {
  const std::string bytes = body("}(X" + le(2) + "ab\x85K\1K\2K\3\x87u");
  const std::string one = body("})X" + le(2) + "abs");  // texts point into it
  const Pickle pickle = parse(one);
  const auto items = pickle.items(pickle.root());
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].kind, Kind::tuple);
  EXPECT_TRUE(pickle.items(items[0]).empty());
  EXPECT_EQ(pickle.text(items[1]), "ab");
  const Pickle more = parse(bytes);
  const auto pair = more.items(more.root());
  ASSERT_EQ(pair.size(), 2U);
  EXPECT_EQ(more.text(more.items(pair[0])[0]), "ab");
  ASSERT_EQ(more.items(pair[1]).size(), 3U);
  EXPECT_EQ(more.items(pair[1])[2].number, 3);
}

TEST(Pickle, CallsAreNotedAndNothingElse) {
  const std::string bytes = body("ctorch\nThing\n(K\7tR");
  const Pickle pickle = parse(bytes);
  EXPECT_EQ(pickle.root().kind, Kind::call);
  const auto call = pickle.items(pickle.root());
  EXPECT_EQ(pickle.text(call[0]), "torch.Thing");
  EXPECT_EQ(pickle.items(call[1])[0].number, 7);
  const std::string stored = body("K\1Q");
  const Pickle persistent = parse(stored);
  EXPECT_EQ(persistent.root().kind, Kind::persistent);
  EXPECT_EQ(persistent.items(persistent.root())[0].number, 1);
}

TEST(Pickle, TheMemoSharesValuesAndADictMayHoldItself) {
  const std::string shared = body("}q\1(h\1h\1j" + le(1) + "K\1u");
  const Pickle pickle = parse(shared);
  const auto items = pickle.items(pickle.root());
  ASSERT_EQ(items.size(), 4U);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(items[static_cast<size_t>(i)].kind, Kind::dict);
    EXPECT_EQ(items[static_cast<size_t>(i)].number, pickle.root().number);
  }
}

TEST(Pickle, TheStateOfADictIsDropped) {
  const std::string bytes = body("}}(X" + le(1) + "aK\1ub");
  EXPECT_TRUE(parse(bytes).items(parse(bytes).root()).empty());
  EXPECT_THAT(refusal(body("K\1}b")), HasSubstr("other than a dict has a state"));
  EXPECT_THAT(refusal(body("}K\1b")), HasSubstr("has a number where a dict must stand"));
}

TEST(Pickle, WhatCouldRunCodeIsRefusedByName) {
  EXPECT_THAT(refusal(body("cos\nsystem\n(X" + le(2) + "idtR")),
              HasSubstr("x.bin: it asks for os.system, which no state dict needs"));
  EXPECT_THAT(refusal(body("cbuiltins\neval\n")), HasSubstr("builtins.eval"));
  EXPECT_THAT(refusal(body("ctorch\nThin\n")), HasSubstr("torch.Thin,"));
  EXPECT_THAT(refusal(body("ctorch\nThing\x1b\n")), HasSubstr("asks for torch.Thing?,"));
  EXPECT_LT(refusal(body("c" + std::string(100000, 'x') + "\ny\n")).size(), 400U);
  for (const auto& [code, name] :
       std::vector<std::pair<std::string, std::string>>{{"(ios\nsystem\n", "INST"},
                                                        {"(o", "OBJ"},
                                                        {"\x81", "NEWOBJ"},
                                                        {"\x92", "NEWOBJ_EX"},
                                                        {"\x93", "STACK_GLOBAL"},
                                                        {"\x82\1", "EXT1"},
                                                        {"\x84\1", "EXT4"},
                                                        {"P1\n", "PERSID"},
                                                        {"]", "EMPTY_LIST"},
                                                        {"G", "BINFLOAT"},
                                                        {"2", "DUP"},
                                                        {"\x7f", "0x7f"},
                                                        {"\xff", "0xff"},
                                                        {"\x80\2", "PROTO"}}) {
    EXPECT_THAT(refusal(body(code)), HasSubstr("uses pickle's opcode " + name + ",")) << name;
  }
  EXPECT_THAT(refusal(body(")R")), HasSubstr("stack runs empty"));
  EXPECT_THAT(refusal(body("X" + le(2) + "os)R")), HasSubstr("where a class or function must"));
  EXPECT_THAT(refusal(body("ccollections\nOrderedDict\nK\1\x85R")), HasSubstr("has arguments"));
}

TEST(Pickle, OtherProtocolsAreRefused) {
  EXPECT_THAT(refusal("\x80\4K\1."), HasSubstr("protocol is 4; only 2"));
  EXPECT_THAT(refusal("K\1."), HasSubstr("it is no pickle"));
  EXPECT_THAT(refusal(""), HasSubstr("ends early"));
}

TEST(Pickle, HugeNumbersAndTextsAreRefused) {
  EXPECT_THAT(refusal(body("\x8a\x09" + std::string(9, '\1'))), HasSubstr("more than 64 bits"));
  EXPECT_THAT(refusal(body("\x8a\xff" + std::string(255, '\1'))), HasSubstr("more than 64 bits"));
  EXPECT_THAT(refusal(body("\x8b" + le(0x7FFFFFFF))), HasSubstr("LONG4"));
  EXPECT_THAT(refusal(body("X" + le(~0U) + "abc")), HasSubstr("ends early"));
  EXPECT_THAT(refusal(body("X" + le(5000) + std::string(5000, 'x'))), HasSubstr("of 5000 bytes"));
}

TEST(Pickle, TheStackIsGuarded) {
  for (const std::string bytes : {"\x85", "K\1\x86", "K\1s", "}K\1(s", "q\1", "(q\1", "Q", "(\x85",
                                  "K\1(\x85", "b", "R", "K\1)(R"}) {
    EXPECT_THAT(refusal(body(bytes)), HasSubstr("stack runs empty")) << bytes;
  }
  EXPECT_THAT(refusal(body("t")), HasSubstr("has no mark"));
  EXPECT_THAT(refusal(body("}(K\1u")), HasSubstr("a key has no value"));
  EXPECT_THAT(refusal(body("K\1(K\1K\2u")), HasSubstr("other than a dict gets items"));
  EXPECT_THAT(refusal(body("h\1")), HasSubstr("a value that is not there"));
  EXPECT_THAT(refusal(body("j" + le(~0U))), HasSubstr("a value that is not there"));
  EXPECT_THAT(refusal(body("")), HasSubstr("does not end with one value"));
  EXPECT_THAT(refusal(body("K\1K\1")), HasSubstr("does not end with one value"));
  EXPECT_THAT(refusal(body("K\1(")), HasSubstr("does not end with one value"));
  EXPECT_THAT(refusal(body("K\1") + "x"), HasSubstr("bytes follow its end"));
}

TEST(Pickle, EveryCutIsRefused) {
  const std::string whole = test::state_dict_pickle({{"t", {.dims = {2}, .strides = {1}}}});
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(refusal(whole.substr(0, size)), StartsWith("x.bin: ")) << size;
  }
}

TEST(Pickle, BombsCostWhatTheyWeigh) {
  std::string deep(1 << 19, '\x85');
  EXPECT_EQ(parse(body("N" + deep)).root().kind, Kind::tuple);
  EXPECT_THAT(refusal(body("N" + deep + deep + "\x85")), HasSubstr("more than 1048576 objects"));
  EXPECT_THAT(refusal(body(std::string(1 << 20, '('))), HasSubstr("one value"));
  // Each tuple holds the one before twice: 2^1000 leaves, if anyone were to count them.
  std::string doubled = "K\1q\1";
  for (int i = 0; i < 1000; ++i) doubled += "h\1h\1\x86q\1";
  EXPECT_THAT(refusal(body(doubled)), HasSubstr("one value"));
  EXPECT_EQ(parse(body(")r" + le(~0U))).root().kind, Kind::tuple);  // a memo of one, not of 2^32
  EXPECT_THAT(refusal(body(std::string((16 << 20) + 1, 'N'))), HasSubstr("needs at most 16777216"));
}

}  // namespace
}  // namespace memlong::model
