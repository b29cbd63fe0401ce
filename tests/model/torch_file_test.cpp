#include "model/torch_file.h"

#include <fstream>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/file.h"
#include "model/refusal.h"
#include "support/paths.h"
#include "support/temp_folder.h"
#include "support/torch_bytes.h"

namespace memlong::model {
namespace {

namespace fs = std::filesystem;
using test::PickleBytes;
using test::TorchDescription;
using testing::ElementsAre;
using testing::HasSubstr;

/// tests/data/torch/README.md says how torch made it.
const fs::path kReal = fs::path(test::source_dir()) / "tests/data/torch/state_dict.bin";

template <class T>
std::vector<float> floats(const TensorView& view) {
  std::vector<float> values;
  for (int64_t i = 0; i < view.elements(); ++i) {
    values.push_back(static_cast<float>(view.data<T>()[i]));
  }
  return values;
}

std::vector<float> counted(float from, int count) {
  std::vector<float> values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), from);
  return values;
}

TEST(TorchFile, WhatTorchWroteIsRead) {
  const TorchFile file(kReal);
  EXPECT_THAT(file.names(),
              ElementsAre("bfloat", "byte", "double", "embed.weight", "empty", "half",
                          "head.weight", "long", "parameter", "rows", "scalar", "turned"));
  EXPECT_EQ(file.get("embed.weight").shape(), (Shape{3, 2}));
  EXPECT_EQ(floats<float>(file.get("embed.weight")), counted(0, 6));
  EXPECT_EQ(file.get("head.weight").raw(), file.get("embed.weight").raw());
  EXPECT_EQ(file.get("half").shape(), (Shape{3, 4}));
  EXPECT_EQ(floats<f16>(file.get("half")), counted(0, 12));
  EXPECT_EQ(floats<bf16>(file.get("bfloat")), counted(0, 12));
  EXPECT_EQ(file.get("long").data<int64_t>()[0], -1);
  EXPECT_EQ(file.get("long").data<int64_t>()[1], int64_t{1} << 40);
  EXPECT_EQ(floats<uint8_t>(file.get("byte")), (std::vector<float>{1, 255}));
  EXPECT_EQ(file.get("scalar").shape(), (Shape{1}));
  EXPECT_EQ(floats<float>(file.get("scalar")), (std::vector<float>{1.5F}));
  EXPECT_EQ(file.get("empty").shape(), (Shape{0, 4}));
  EXPECT_EQ(file.get("rows").shape(), (Shape{2, 4}));
  EXPECT_EQ(floats<float>(file.get("rows")), counted(4, 8));
  EXPECT_EQ(floats<float>(file.get("parameter")), counted(0.25F, 2));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file.get("half").raw()) % 64, 0U);
}

TEST(TorchFile, OddTensorsOnlyMatterWhenAskedFor) {
  const TorchFile file(kReal);
  EXPECT_TRUE(file.contains("turned") && !file.readable("turned"));
  EXPECT_THAT(
      refusal_of([&] { (void)file.get("turned"); }),
      HasSubstr("tensor turned is not contiguous (t.contiguous() makes it so), which is not"));
  EXPECT_THAT(refusal_of([&] { (void)file.get("double"); }),
              HasSubstr("tensor double is torch.DoubleStorage of rank 1, which is not supported"));
  EXPECT_THAT(refusal_of([&] { (void)file.get("none"); }), HasSubstr("has no tensor none"));
}

class TorchBytes : public testing::Test {
 protected:
  std::string refusal(const std::string& bytes) const {
    const std::string path = folder_.write("x.bin", bytes);
    std::string message = refusal_of([&] { const TorchFile file(path); });
    if (!message.empty()) {
      EXPECT_THAT(message, HasSubstr("x.bin: "));
    }
    return message;
  }
  /// Of a file with one tensor "t" of 8 floats' storage.
  std::string refused(const TorchDescription& tensor) const {
    return refusal(
        test::torch_bytes(test::state_dict_pickle({{"t", tensor}}), {std::string(32, '\1')}));
  }
  std::string refused_pickle(const std::string& pickle) const {
    return refusal(test::torch_bytes(pickle, {}));
  }

  test::TempFolder folder_;
};

TEST_F(TorchBytes, APlainDictAndAnOrderedDictAreTheSame) {
  PickleBytes pickle;
  pickle.proto().op(Opcode::empty_dict).text("t");
  put_tensor(pickle, {.elements = 4, .offset = 1, .dims = {3}, .strides = {1}});
  pickle.op(Opcode::setitem).op(Opcode::stop);
  std::string storage;
  for (int i = 0; i < 4; ++i) storage += test::le(static_cast<float>(i));
  const TorchFile file(folder_.write("x.bin", test::torch_bytes(pickle.bytes(), {storage})));
  EXPECT_EQ(floats<float>(file.get("t")), counted(1, 3));
}

TEST_F(TorchBytes, WhatIsWrittenIsRead) {
  Tensor matrix({2, 3}, DType::f32);
  for (int i = 0; i < 6; ++i) matrix.data<float>()[i] = static_cast<float>(i);
  const Tensor ids = Tensor::zeros({2}, DType::i64);
  const auto path = folder_.write("x.bin", test::torch_bytes({{"m", matrix}, {"i", ids}}));
  const auto file = open_tensor_file(path);
  EXPECT_THAT(file->names(), ElementsAre("i", "m"));
  EXPECT_EQ(floats<float>(file->get("m")), counted(0, 6));
  EXPECT_EQ(file->get("i").dtype(), DType::i64);
}

TEST_F(TorchBytes, TensorsThatDoNotFitTheirStorageAreRefused) {
  const std::string outside = "tensor t: it does not fit its storage of 8 elements";
  EXPECT_EQ(refused({.elements = 8, .dims = {2, 4}, .strides = {4, 1}}), "");
  EXPECT_EQ(refused({.elements = 8, .offset = 7, .dims = {}, .strides = {}}), "");
  EXPECT_EQ(refused({.elements = 8, .offset = 8, .dims = {0}, .strides = {1}}), "");
  EXPECT_THAT(refused({.elements = 8, .dims = {9}, .strides = {1}}), HasSubstr(outside));
  EXPECT_THAT(refused({.elements = 8, .offset = 1, .dims = {8}, .strides = {1}}),
              HasSubstr(outside));
  EXPECT_THAT(refused({.elements = 8, .offset = 8}), HasSubstr(outside));
  EXPECT_THAT(refused({.elements = 8, .offset = 9, .dims = {0}, .strides = {1}}),
              HasSubstr("begins outside its storage"));
  EXPECT_THAT(refused({.elements = 8, .dims = {2, 2}, .strides = {7, 1}}), HasSubstr(outside));
  EXPECT_THAT(refused({.elements = 8, .dims = {3}, .strides = {INT64_MAX}}), HasSubstr(outside));
  EXPECT_THAT(refused({.elements = 8, .offset = INT64_MAX, .dims = {2}, .strides = {INT64_MAX}}),
              HasSubstr(outside));
  EXPECT_THAT(refused({.elements = 9, .dims = {1}, .strides = {1}}),
              HasSubstr("tensor t: its storage has 32 bytes where 36 are needed"));
  EXPECT_THAT(refused({.elements = INT64_MAX, .dims = {1}, .strides = {1}}),
              HasSubstr("impossibly large"));
  EXPECT_THAT(refused({.key = "7", .elements = 8, .dims = {1}, .strides = {1}}),
              HasSubstr("its storage is missing"));
}

TEST_F(TorchBytes, AbsurdSizesAndStridesAreRefused) {
  constexpr int64_t kBig = int64_t{1} << 32;
  EXPECT_THAT(refused({.elements = 8, .dims = {kBig, kBig}, .strides = {0, 0}}),
              HasSubstr("impossibly large"));
  EXPECT_THAT(refused({.elements = 8, .dims = {0, kBig, kBig}, .strides = {0, 0, 0}}),
              HasSubstr("impossibly large"));
  EXPECT_THAT(refused({.elements = 8, .dims = {-1}, .strides = {1}}), HasSubstr("numbers >= 0"));
  EXPECT_THAT(refused({.elements = 8, .dims = {2}, .strides = {-1}}), HasSubstr("numbers >= 0"));
  EXPECT_THAT(refused({.elements = 8, .offset = -1}), HasSubstr("numbers >= 0"));
  EXPECT_THAT(refused({.elements = -8}), HasSubstr("numbers >= 0"));
  EXPECT_THAT(refused({.elements = 8, .dims = {2, 2}, .strides = {1}}),
              HasSubstr("more sizes than strides"));
  const std::vector<int64_t> nine(9, 1);
  EXPECT_THAT(refused({.elements = 8, .dims = nine, .strides = nine}), HasSubstr("9 dimensions"));
  // One element that stands for 2^40: a view, if one could be read, of more than there is.
  const auto spread = test::torch_bytes(
      test::state_dict_pickle({{"t", {.elements = 1, .dims = {int64_t{1} << 40}, .strides = {0}}}}),
      {std::string(4, '\1')});
  EXPECT_FALSE(TorchFile(folder_.write("x.bin", spread)).readable("t"));
}

TEST_F(TorchBytes, OtherClassesAndShapesOfStateAreRefused) {
  EXPECT_THAT(refused({.storage_class = "QInt8Storage"}), HasSubstr("asks for torch.QInt8Storage"));
  EXPECT_THAT(refused_pickle(PickleBytes().proto().integer(1).op(Opcode::stop).bytes()),
              HasSubstr("it holds a number, not a dict of tensors by name"));
  PickleBytes nested;
  nested.proto().op(Opcode::empty_dict).text("state_dict").ordered_dict().op(Opcode::setitem);
  EXPECT_THAT(refused_pickle(nested.op(Opcode::stop).bytes()),
              HasSubstr("tensor state_dict: it is a dict, not a tensor; what is read is one dict"));
  PickleBytes number;
  number.proto().op(Opcode::empty_dict).text("epoch").integer(3).op(Opcode::setitem);
  EXPECT_THAT(refused_pickle(number.op(Opcode::stop).bytes()),
              HasSubstr("tensor epoch: it is a number, not a tensor"));
  PickleBytes key;
  key.proto().op(Opcode::empty_dict).integer(3).integer(3).op(Opcode::setitem);
  EXPECT_THAT(refused_pickle(key.op(Opcode::stop).bytes()), HasSubstr("a name is not a text"));
  const TorchDescription tensor{.elements = 8};
  EXPECT_THAT(refusal(test::torch_bytes(test::state_dict_pickle({{"t", tensor}, {"t", tensor}}),
                                        {std::string(32, '\1')})),
              HasSubstr("tensor t stands in it twice"));
}

TEST_F(TorchBytes, CallsThatTorchDoesNotMakeAreRefused) {
  const auto value = [&](const PickleBytes& bytes) {
    PickleBytes pickle;
    pickle.proto().op(Opcode::empty_dict).text("t").raw(bytes.bytes()).op(Opcode::setitem);
    return refused_pickle(pickle.op(Opcode::stop).bytes());
  };
  const auto call = [](std::string_view module, std::string_view name, std::string_view arguments) {
    return PickleBytes().global(module, name).raw(arguments).op(Opcode::reduce);
  };
  const std::string odd = "not described as torch does";
  EXPECT_THAT(value(call("torch._utils", "_rebuild_tensor_v2", ")")), HasSubstr(odd));
  EXPECT_THAT(value(call("torch", "FloatStorage", ")")), HasSubstr(odd));
  EXPECT_THAT(value(call("torch._utils", "_rebuild_parameter", "NNN\x87")), HasSubstr("is None"));
  EXPECT_THAT(value(call("torch._utils", "_rebuild_tensor_v2", "(NNNNNNt")),
              HasSubstr("has no storage"));
  EXPECT_THAT(value(call("torch._utils", "_rebuild_tensor_v2", "(NQNNNNNt")), HasSubstr(odd));
  // A parameter of a parameter of a parameter, which is itself.
  PickleBytes self;
  self.global("torch._utils", "_rebuild_parameter").raw("q\1}q\2NN\x87R");
  EXPECT_THAT(value(self), HasSubstr("is a dict, not a tensor"));
  const PickleBytes inner = call("torch._utils", "_rebuild_parameter", "NNN\x87");
  EXPECT_THAT(value(call("torch._utils", "_rebuild_parameter", inner.bytes() + "NN\x87")),
              HasSubstr(odd));
}

TEST_F(TorchBytes, OtherFilesAreNamed) {
  EXPECT_THAT(refusal(""), HasSubstr("no ZIP archive"));
  EXPECT_THAT(refusal("just some text"), HasSubstr("no ZIP archive"));
  EXPECT_THAT(refusal("\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19."), HasSubstr("before 1.6"));
  EXPECT_THAT(refusal("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
              HasSubstr("git lfs pull"));
  EXPECT_THAT(refusal(test::zip_bytes({{"a.txt", "x"}})), HasSubstr("has not one data.pkl"));
  EXPECT_THAT(refusal(test::zip_bytes({{"data.pkl", "x"}})), HasSubstr("has not one data.pkl"));
  EXPECT_THAT(refusal(test::zip_bytes({{"a/data.pkl", "x"}, {"b/data.pkl", "x"}})),
              HasSubstr("has not one data.pkl"));
  EXPECT_THAT(refusal(test::zip_bytes({{"a/data.pkl", "x"}, {"a/constants.pkl", "x"}})),
              HasSubstr("TorchScript"));
  EXPECT_THAT(refusal(test::zip_bytes({{"a/data.pkl", "x"}, {"a/byteorder", "big"}})),
              HasSubstr("not little-endian"));
}

TEST_F(TorchBytes, TheChecksumOfThePickleIsCompared) {
  const std::string good = test::torch_bytes(test::state_dict_pickle({{"weight", {.elements = 8}}}),
                                             {std::string(32, 'x')});
  EXPECT_EQ(refusal(good), "");
  std::string flipped = good;
  flipped[good.find("weight")] ^= 1;
  EXPECT_THAT(refusal(flipped), HasSubstr("data.pkl has another checksum"));
  // torch.serialization.set_crc32_options(False) leaves zeros.
  flipped.replace(flipped.find("PK\1\2") + 16, 4, std::string(4, '\0'));
  EXPECT_EQ(refusal(flipped), "");
}

/// A sanitizer sees more than these do.
TEST_F(TorchBytes, EveryCutIsRefused) {
  const fs::path path = folder_ / "x.bin";
  fs::copy_file(kReal, path);
  for (size_t size = fs::file_size(path); size-- > 0;) {
    fs::resize_file(path, size);
    EXPECT_NE(refusal_of([&] { const TorchFile file(path); }), "") << size;
  }
}

TEST_F(TorchBytes, EveryFlippedBitIsTakenOrRefused) {
  const fs::path path = folder_ / "x.bin";
  fs::copy_file(kReal, path);
  const std::string good = read_file(path);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto put = [&](size_t at, char byte) {
    file.seekp(static_cast<std::streamoff>(at)).put(byte).flush();
  };
  int refused = 0;
  for (size_t at = 0; at < good.size(); ++at) {
    put(at, static_cast<char>(good[at] ^ static_cast<char>(1U << (at % 8))));
    refused += refusal_of([&] { const TorchFile read(path); }).empty() ? 0 : 1;
    put(at, good[at]);
  }
  EXPECT_GT(refused, 2000);  // the pickle, headers and the directory; not padding and numbers
}

TEST_F(TorchBytes, AMissingFileIsAnIoError) {
  EXPECT_THAT(refusal_of([] { const TorchFile file("/nonexistent/x.bin"); }, ErrorKind::io),
              HasSubstr("/nonexistent/x.bin"));
}

}  // namespace
}  // namespace memlong::model
