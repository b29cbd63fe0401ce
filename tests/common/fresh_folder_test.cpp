#include "common/fresh_folder.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "common/error.h"
#include "common/file.h"
#include "support/temp_folder.h"

namespace memlong {
namespace {

namespace fs = std::filesystem;
using test::TempFolder;

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

TEST(FreshFolder, AppearsCompleteOrNotAtAll) {
  const TempFolder temp;
  const fs::path target = temp.path() / "a" / "b";
  {
    const FreshFolder fresh(target);
    write_file_atomic(fresh.path() / "x", "1");
    EXPECT_FALSE(fs::exists(target));
  }
  EXPECT_TRUE(names_in(temp.path() / "a").empty()) << "what was given up leaves nothing";
  for (const std::string text : {"1", "2"}) {
    FreshFolder fresh(target.string() + "/");
    EXPECT_EQ(fresh.target(), fs::canonical(temp.path()) / "a" / "b");
    write_file_atomic(fresh.path() / ("x" + text), text);
    fresh.replace();
    EXPECT_EQ(names_in(target), std::vector<std::string>{"x" + text});
  }
  EXPECT_EQ(names_in(temp.path() / "a"), std::vector<std::string>{"b"});
}

TEST(FreshFolder, FilesMoveIntoAFolderThatIsThere) {
  const TempFolder temp;
  const fs::path target = temp.path() / "out";
  for (const std::string text : {"1", "2"}) {
    FreshFolder fresh(target);
    for (const char* name : {"config", "weights"}) {
      write_file_atomic(fresh.path() / name, text);
    }
    fresh.merge("config");
    EXPECT_EQ(read_file(target / "config"), text);
    EXPECT_EQ(read_file(target / "weights"), text);
    write_file_atomic(target / "mine", "stays");
  }
  EXPECT_EQ(names_in(target), (std::vector<std::string>{"config", "mine", "weights"}));
  EXPECT_EQ(names_in(temp.path()), std::vector<std::string>{"out"});
}

TEST(FreshFolder, AFileInTheWayIsAnError) {
  const TempFolder temp;
  temp.write("file", "mine");
  FreshFolder fresh(temp.path() / "file");
  EXPECT_THROW(fresh.replace(), Error);
  EXPECT_THROW(fresh.merge("x"), Error);
  EXPECT_EQ(read_file(temp.path() / "file"), "mine");
}

}  // namespace
}  // namespace memlong
