#include "model/safetensors.h"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "support/temp_folder.h"

namespace memlong::model {
namespace {

using test::TempFolder;
using testing::ElementsAre;
using testing::HasSubstr;

/// The bytes of a file with this header and `data` bytes behind it.
std::string file_bytes(const std::string& header, size_t data) {
  const uint64_t length = header.size();
  std::string bytes(reinterpret_cast<const char*>(&length), 8);
  return bytes + header + std::string(data, '\1');
}

TEST(Safetensors, WhatIsWrittenIsRead) {
  const TempFolder folder;
  const auto path = folder.path() / "x.safetensors";
  Tensor wide = Tensor::zeros({2, 3}, DType::f32);
  for (int i = 0; i < 6; ++i) wide.data<float>()[i] = static_cast<float>(i);
  Tensor narrow = Tensor::zeros({3}, DType::bf16);
  narrow.data<bf16>()[1] = bf16(1.5F);
  Tensor ids = Tensor::zeros({2}, DType::i64);
  ids.data<int64_t>()[1] = -7;
  write_safetensors(path, {{"narrow", narrow}, {"wide", wide}, {"ids", ids}}, {{"k", "v \"\n"}});

  const SafetensorsFile file(path);
  EXPECT_THAT(file.names(), ElementsAre("ids", "narrow", "wide"));
  EXPECT_EQ(file.metadata().at("k"), "v \"\n");
  const TensorView view = file.get("wide");
  EXPECT_EQ(view.shape(), (Shape{2, 3}));
  EXPECT_EQ(std::memcmp(view.raw(), wide.view().raw(), 24), 0);
  EXPECT_EQ(static_cast<float>(file.get("narrow").data<bf16>()[1]), 1.5F);
  EXPECT_EQ(file.get("ids").data<int64_t>()[1], -7);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(view.raw()) % 4, 0U);
}

TEST(Safetensors, AStridedViewIsWrittenInOrder) {
  const TempFolder folder;
  Tensor base({2, 2, 2}, DType::f32);
  for (int i = 0; i < 8; ++i) base.data<float>()[i] = static_cast<float>(i);
  write_safetensors(folder.path() / "x", {{"t", base.view().permute({1, 0, 2})}});
  const SafetensorsFile file(folder.path() / "x");
  const float* data = file.get("t").data<float>();
  EXPECT_THAT(std::vector<float>(data, data + 8), ElementsAre(0, 1, 4, 5, 2, 3, 6, 7));
}

TEST(Safetensors, NoTemporaryFileIsLeft) {
  const TempFolder folder;
  write_safetensors(folder.path() / "x", {});
  EXPECT_TRUE(SafetensorsFile(folder.path() / "x").names().empty());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
  EXPECT_THROW(write_safetensors(folder.path() / "no" / "x", {}), Error);
}

TEST(Safetensors, ScalarsAndEmptyTensors) {
  const TempFolder folder;
  const auto path =
      folder.write("x", file_bytes(R"({"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
                                   R"("e":{"dtype":"F32","shape":[0,5],"data_offsets":[4,4]}})",
                                   4));
  const SafetensorsFile file(path);
  EXPECT_EQ(file.get("s").shape(), (Shape{1}));
  EXPECT_TRUE(file.get("e").empty());
}

TEST(Safetensors, OddTypesOnlyMatterWhenAskedFor) {
  const TempFolder folder;
  const auto path = folder.write(
      "x", file_bytes(R"({"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},)"
                      R"("b":{"dtype":"U8","shape":[1,1,1,1,2],"data_offsets":[8,10]}})",
                      10));
  const SafetensorsFile file(path);
  EXPECT_TRUE(file.contains("a") && !file.readable("a"));
  for (const char* name : {"a", "b"}) {
    try {
      (void)file.get(name);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::format);
      EXPECT_THAT(error.what(), HasSubstr("not supported"));
    }
  }
}

struct BadFile {
  const char* header;
  size_t data;
  const char* message;
};

TEST(Safetensors, MalformedHeadersAreRefused) {
  const BadFile table[] = {
      {"", 0, "not a JSON object"},
      {"[]", 0, "not a JSON object"},
      {"{x}", 0, "not valid JSON"},
      {R"({"a":)", 0, "not valid JSON"},
      {R"({"a":1})", 0, "tensor a has no description"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 3, "cut short"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}})", 4, "data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]}})", 4,
       "outside"},
      {R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4, "shape is not"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "shape is not"},
      {R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4, "shape is not"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "shape need 8"},
      {R"({"a":{"dtype":"BF16","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
       "impossibly large"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]}})", 4,
       "impossibly large"},
      {R"({"a":{"dtype":"F32","shape":[0,9223372036854775817],"data_offsets":[0,0]}})", 0,
       "impossibly large"},
      {R"({"a":{"dtype":"U8","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}})", 0,
       "impossibly large"},
      {R"({"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}})", 4, "unknown dtype \"F99\""},
      {R"({"a":{"dtype":4,"shape":[1],"data_offsets":[0,4]}})", 4, "unknown dtype"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "hole"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 8, "belong to no tensor"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
       6, "overlaps"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       4, "\"a\" stands in it twice"},
      {R"({"a":{"dtype":"F32","dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4, "twice"},
      {R"({"__metadata__":[1]})", 0, "__metadata__"},
      {R"({"__metadata__":{"a":1}})", 0, "__metadata__"},
  };
  const TempFolder folder;
  for (const BadFile& bad : table) {
    const auto path = folder.write("bad.safetensors", file_bytes(bad.header, bad.data));
    try {
      const SafetensorsFile file(path);
      ADD_FAILURE() << bad.header << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::format) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(bad.message)) << bad.header;
      EXPECT_THAT(error.what(), HasSubstr("bad.safetensors"));
    }
  }
}

TEST(Safetensors, HeaderLengthIsCheckedAgainstTheFile) {
  const TempFolder folder;
  for (const uint64_t length : {uint64_t{3}, uint64_t{1000}, uint64_t{1} << 40, ~uint64_t{0}}) {
    std::string bytes = file_bytes("{}", 0);
    std::memcpy(bytes.data(), &length, 8);
    EXPECT_THROW(SafetensorsFile(folder.write("x", bytes)), Error) << length;
  }
  EXPECT_THROW(SafetensorsFile(folder.write("x", "")), Error);
  EXPECT_THROW(SafetensorsFile(folder.write("x", "1234567")), Error);
}

TEST(Safetensors, EveryCutIsRefused) {
  const TempFolder folder;
  const auto path = folder.path() / "x";
  write_safetensors(path, {{"t", Tensor::zeros({3}, DType::f32)}});
  const std::string whole = read_file(path);
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW(SafetensorsFile(folder.write("cut", whole.substr(0, size))), Error) << size;
  }
}

TEST(Safetensors, AGitLfsPointerIsNamed) {
  const TempFolder folder;
  try {
    SafetensorsFile(
        folder.write("x", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("git lfs pull"));
  }
}

TEST(Safetensors, AMissingFileIsAnIoError) {
  try {
    SafetensorsFile("/nonexistent/x.safetensors");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::io);
  }
}

}  // namespace
}  // namespace memlong::model
