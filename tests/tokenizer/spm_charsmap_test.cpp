#include "tokenizer/spm_charsmap.h"

#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/file.h"
#include "support/paths.h"
#include "support/temp_folder.h"
#include "tokenizer/spm_model.h"
#include "tokenizer/tokenizer.h"

namespace memlong::tokenizer {
namespace {

constexpr uint32_t kNever = 0x80000000U;  // the label of no byte

/// A trie whose only key is "a", with the text "b" for it.
struct Table {
  std::vector<uint32_t> units = std::vector<uint32_t>(768, kNever);
  std::string texts = std::string("x\0b\0", 4);
  Table() {
    units[0] = 256U << 10U;  // children at 256 ^ label
    units[256 ^ 'a'] = node('a', 256 ^ 'a', 512, true);
    units[512] = kNever | 2U;  // the text at 2
  }
  static uint32_t node(char label, uint32_t at, uint32_t base, bool match) {
    return (at ^ base) << 10U | (match ? 0x100U : 0U) | static_cast<uint8_t>(label);
  }
  [[nodiscard]] std::string blob() const {
    const auto bytes = static_cast<uint32_t>(units.size() * 4);
    std::string out(reinterpret_cast<const char*>(&bytes), 4);
    out.append(reinterpret_cast<const char*>(units.data()), bytes);
    return out + texts;
  }
};

TEST(SpmCharsmap, ATableThatLeadsNowhereElseIsGood) {
  EXPECT_TRUE(charsmap_sound(""));
  EXPECT_TRUE(charsmap_sound(Table().blob()));
}

TEST(SpmCharsmap, PlacesBeyondTheTextsAreSeen) {
  Table table;
  table.units[512] = kNever | 4U;
  EXPECT_FALSE(charsmap_sound(table.blob()));
  table.units[512] = kNever | 3U;
  EXPECT_TRUE(charsmap_sound(table.blob()));
  table.texts.back() = 'c';  // no end
  EXPECT_FALSE(charsmap_sound(table.blob()));
}

TEST(SpmCharsmap, WaysOutOfTheTrieAreSeen) {
  Table table;
  table.units[256 ^ 'a'] = Table::node('a', 256 ^ 'a', 768, false);
  EXPECT_FALSE(charsmap_sound(table.blob()));
  Table cut;
  cut.units.resize(700);
  EXPECT_FALSE(charsmap_sound(cut.blob()));
  std::string blob = Table().blob();
  blob[1] = '\x7F';  // a longer trie than there are bytes
  EXPECT_FALSE(charsmap_sound(blob));
  EXPECT_FALSE(charsmap_sound(blob.substr(0, 4)));
}

TEST(SpmCharsmap, ACircleIsSeen) {
  Table table;
  table.units[256 ^ 'a'] = Table::node('a', 256 ^ 'a', 256, false);  // "aaaa..." goes on for ever
  EXPECT_FALSE(charsmap_sound(table.blob()));
}

/// `length` bytes "a" one behind the other, each a match.
std::string chain(uint32_t length) {
  Table table;
  table.units.assign((length + 2) * 256, kNever);
  table.units[0] = 256U << 10U;
  for (uint32_t i = 1; i <= length; ++i) {
    table.units[i * 256 + 'a'] = Table::node('a', i * 256 + 'a', (i + 1) * 256, true);
    table.units[(i + 1) * 256] = kNever | 2U;
  }
  return table.blob();
}

TEST(SpmCharsmap, MoreMatchesThanTheLibraryHasRoomForAreSeen) {
  EXPECT_TRUE(charsmap_sound(chain(32)));
  EXPECT_FALSE(charsmap_sound(chain(33)));
}

// A table that sentencepiece's own trainer made (tests/fuzz/README.md): A to a, B to b, AB to c.
TEST(SpmCharsmap, ATrainedTableIsGoodAndWorks) {
  const std::string file = test::source_dir() + "/tests/fuzz/corpus/tokenizer_model/rules";
  const test::TempFolder folder;
  std::string model = read_file(file);
  folder.write("tokenizer.model", model);
  const auto tokens = load_tokenizer(folder.path());
  EXPECT_EQ(tokens->encode("Are ABout"), tokens->encode("are cout"));
  const size_t place = model.find(std::string("\x00\x04\x00\x00", 4));  // the trie's 1024 bytes
  ASSERT_NE(place, std::string::npos);
  model[place + 1] = '\x7F';
  EXPECT_ANY_THROW(parse_spm(model, "m"));
}

}  // namespace
}  // namespace memlong::tokenizer
