#include <fstream>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/file.h"
#include "membank/bank_fixture.h"
#include "membank/child_process.h"
#include "membank/damage_fixture.h"
#include "membank/retention.h"

namespace memlong::membank {
namespace {

using testing::add_text;
using testing::append;
using testing::content;
using testing::error_of;
using testing::findings;
using ::testing::HasSubstr;
using testing::holds;
using testing::in_child;
using testing::make_bank;
using testing::open_reader;
using testing::open_writer;
using testing::paged_chunks;
using testing::TempFolder;
using testing::wait_for;

void flip(std::string& bytes, size_t bit) {
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
}

void write_bank(const std::filesystem::path& folder, const std::string& bytes) {
  std::ofstream(folder / "data.mdb", std::ios::binary | std::ios::trunc) << bytes;
}

/// 0: damage found; 1: nothing found and nothing different; 2: different, unnoticed.
int judge(const std::filesystem::path& folder, const std::string& good) {
  try {
    const auto bank = open_reader(folder);
    if (!bank->verify().empty()) return 0;
    return content(*bank) == good ? 1 : 2;
  } catch (const Error&) {
    return 0;
  }
}

TEST(Damage, FlippedBitsAreFoundOrHarmless) {
  const TempFolder folder;
  make_bank(folder.path());
  const std::string good = content(*open_reader(folder.path()));
  const std::string bytes = read_file(folder.path() / "data.mdb");
  std::mt19937_64 random(11);
  int found = 0;
  for (int i = 0; i < 250; ++i) {
    // The two meta pages carry no checksum: LMDB takes the other one, a commit earlier.
    constexpr size_t kMetaBits = 2 * 4096 * 8;
    const size_t bit = kMetaBits + random() % (bytes.size() * 8 - kMetaBits);
    std::string damaged = bytes;
    flip(damaged, bit);
    std::filesystem::remove(folder.path() / "lock.mdb");
    write_bank(folder.path(), damaged);
    const int verdict = wait_for(in_child([&] { return judge(folder.path(), good); }));
    EXPECT_TRUE(verdict == 0 || verdict == 1) << "bit " << bit % 8 << " of byte " << bit / 8 % 4096
                                              << " of page " << bit / 32768 << ": " << verdict;
    if (verdict == 0) ++found;
  }
  EXPECT_GT(found, 90);  // the rest lay in unused room
}

TEST(Damage, VerifyNamesDatabaseAndRecord) {
  const TempFolder folder;
  make_bank(folder.path());
  std::string bytes = read_file(folder.path() / "data.mdb");
  const std::string text = "text of document 5";
  for (size_t at = bytes.find(text); at != std::string::npos; at = bytes.find(text, at + 1)) {
    bytes[at + 3] = 'T';  // pages of earlier commits hold it too
  }
  write_bank(folder.path(), bytes);
  const auto bank = open_reader(folder.path());
  const auto bad = bank->verify();
  ASSERT_FALSE(bad.empty());
  EXPECT_EQ(bad[0].database, "texts");
  EXPECT_EQ(bad[0].key, "6/0");
  EXPECT_THAT(bad[0].what, HasSubstr("checksum"));
  const Error error = error_of([&] { (void)bank->snapshot()->text(6); });
  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("record 6/0 of database texts is damaged"));
  EXPECT_EQ(bank->snapshot()->text(5), "text of document 4");
}

TEST(Damage, ADamagedChunkCanBeForgottenWithItsDocument) {
  const TempFolder folder;
  const Fingerprint f = paged_chunks();
  make_bank(folder.path());
  std::string bytes = read_file(folder.path() / "data.mdb");
  // The tokens 50*100.. of the first chunk of the last text, in its `chunks` record.
  const std::vector<int32_t> ids = testing::SampleChunk(f, 50, 8).ids;
  const size_t at = bytes.rfind({reinterpret_cast<const char*>(ids.data()), 32});
  ASSERT_NE(at, std::string::npos);
  bytes[at + 5] = 'x';
  write_bank(folder.path(), bytes);
  const auto bank = open_writer(folder.path(), f);
  const ChunkId chunk = 41;
  EXPECT_EQ(error_of([&] { (void)bank->snapshot()->chunk(chunk); }).kind(), ErrorKind::corrupt);
  EXPECT_THAT(findings(*bank),
              HasSubstr("chunks 41: checksum does not match (a chunk of document 6)"));
  EXPECT_EQ(bank->snapshot()->document_of(chunk), 6U);
  EXPECT_EQ(bank->snapshot()->document_of(1000), std::nullopt);
  // Retention takes what it can read.
  EXPECT_EQ(apply_retention(*bank, {RetentionPolicy::fifo, 38, 0}).chunks, 20);
  EXPECT_FALSE(bank->snapshot()->chunk(1));
  EXPECT_EQ(bank->snapshot()->stats().chunks, 20);
  bank->update([&](Transaction& t) { EXPECT_EQ(t.forget(6).chunks, 8); });
  EXPECT_EQ(findings(*bank), "");
}

TEST(Damage, AFileWhoseLastPagesWereNeverWrittenIsGood) {
  const TempFolder folder;
  const Fingerprint f = paged_chunks();
  {
    const auto bank = open_writer(folder.path(), f);
    bank->update([&](Transaction& t) {
      const DocumentId id = t.create_document(testing::named("a"));
      for (int i = 0; i < 40; ++i) append(t, id, f, i);
      t.forget(id);
    });
  }
  const auto bank = open_writer(folder.path(), f);
  EXPECT_EQ(findings(*bank), "");
  add_text(*bank, "b", 40);
  EXPECT_EQ(findings(*bank), "");
}

TEST(Damage, OtherFilesAndShortOnesAreRefused) {
  const TempFolder folder;
  write_bank(folder.path(), std::string(20000, 'z'));
  EXPECT_EQ(error_of([&] { open_reader(folder.path()); }).kind(), ErrorKind::corrupt);
  std::filesystem::remove_all(folder.path());
  std::filesystem::create_directory(folder.path());
  make_bank(folder.path());
  const std::string good = content(*open_reader(folder.path()));
  const std::string bytes = read_file(folder.path() / "data.mdb");
  for (const size_t size : {size_t{100}, size_t{9000}, bytes.size() / 2, bytes.size() - 4096}) {
    std::filesystem::remove(folder.path() / "lock.mdb");
    write_bank(folder.path(), bytes.substr(0, size));
    const int verdict = wait_for(in_child([&] { return judge(folder.path(), good); }));
    const bool harmless = verdict == 1 && size == bytes.size() - 4096;  // a free page
    EXPECT_TRUE(verdict == 0 || harmless) << size << " bytes left of " << bytes.size();
  }
}

}  // namespace
}  // namespace memlong::membank
