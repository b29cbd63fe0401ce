#include "model/adapter_folder.h"

#include <gmock/gmock.h>

#include "common/error.h"
#include "support/temp_folder.h"

namespace memlong::model {
namespace {

namespace fs = std::filesystem;
using test::TempFolder;
using testing::HasSubstr;

std::string refusal(const fs::path& folder, AdapterKind kind) {
  try {
    check_adapter_folder(folder, kind);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::io);
    return error.what();
  }
  return "";
}

TEST(AdapterFolder, HoldsOneKind) {
  const TempFolder temp;
  EXPECT_EQ(refusal(temp.path() / "none", AdapterKind::upper), "");
  EXPECT_EQ(refusal(temp.path() / "none", AdapterKind::peft), "");
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors", "adapter_model.bin",
                           "adapter.safetensors"}) {
    const fs::path folder =
        fs::path(temp.write(std::string(name) + "-in/" + name, "")).parent_path();
    EXPECT_EQ(refusal(folder, AdapterKind::upper),
              folder.string() + " is in the way of an adapter folder: it holds " + name +
                  "; name another folder");
  }
  const fs::path upper = fs::path(temp.write("u/upper_layers.safetensors", "")).parent_path();
  EXPECT_EQ(refusal(upper, AdapterKind::upper), "");
  EXPECT_THAT(refusal(upper, AdapterKind::peft), HasSubstr("it holds upper_layers.safetensors"));
  temp.write("p/adapter_config.json", "");
  temp.write("p/README.md", "");
  EXPECT_EQ(refusal(temp.path() / "p", AdapterKind::peft), "");
  EXPECT_THAT(refusal(temp.path() / "p/README.md", AdapterKind::upper), HasSubstr("it is a file"));
}

}  // namespace
}  // namespace memlong::model
