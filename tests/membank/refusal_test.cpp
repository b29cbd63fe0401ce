// Banks that are not opened, and why: other formats, other places, other processes.
#include <fstream>
#include <sys/resource.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "membank/bank_fixture.h"
#include "membank/child_process.h"
#include "membank/lmdb_env.h"
#include "membank/manifest.h"
#include "membank/records.h"
#include "support/small_disk.h"

namespace memlong::membank {
namespace {

using testing::add_text;
using testing::error_of;
using testing::findings;
using ::testing::HasSubstr;
using testing::holds;
using testing::in_child;
using testing::open_reader;
using testing::open_writer;
using testing::small_fingerprint;
using testing::TempFolder;
using testing::wait_for;

using Change = std::function<void(nlohmann::json& manifest)>;

/// A bank whose manifest is another, with a right checksum.
void make_with_manifest(const std::filesystem::path& folder, const Change& change) {
  { add_text(*open_writer(folder), "a", 2); }
  nlohmann::json manifest = nlohmann::json::parse(encode_manifest(small_fingerprint()));
  change(manifest);
  const auto env = Env::open(folder, true, size_t{1} << 20);
  Txn txn(env, true);
  txn.put(Db::meta, "manifest", seal("manifest", manifest.dump()));
  txn.commit();
}

Error refused(const Change& change) {
  const TempFolder folder;
  make_with_manifest(folder.path(), change);
  const Error reading = error_of([&] { open_reader(folder.path()); });
  const Error writing = error_of([&] { open_writer(folder.path()); });
  EXPECT_EQ(reading.kind(), writing.kind()) << reading.what() << " / " << writing.what();
  return reading;
}

TEST(Refusals, AnotherFormatVersion) {
  const Error newer = refused([](auto& manifest) { manifest["version"] = 2; });
  EXPECT_EQ(newer.kind(), ErrorKind::mismatch);
  EXPECT_THAT(newer.what(), HasSubstr("has format version 2; this program reads version 1"));
  EXPECT_EQ(refused([](auto& m) { m["version"] = "one"; }).kind(), ErrorKind::corrupt);
}

TEST(Refusals, ManifestsThatCannotBe) {
  const std::vector<Change> changes = {
      [](auto& m) { m.erase("fingerprint"); },
      [](auto& m) { m = nlohmann::json::array(); },
      [](auto& m) { m["fingerprint"]["kv_heads"] = 0; },
      [](auto& m) { m["fingerprint"]["head_dim"] = -8; },
      [](auto& m) { m["fingerprint"]["embedder_dim"] = 0; },
      [](auto& m) { m["fingerprint"]["chunk_tokens"] = "many"; },
      [](auto& m) { m["fingerprint"]["kv_dtype"] = "f7"; },
      [](auto& m) { m["fingerprint"]["kv_dtype"] = "i32"; },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    const Error error = refused(changes[i]);
    EXPECT_EQ(error.kind(), ErrorKind::corrupt) << i << ": " << error.what();
    EXPECT_THAT(error.what(), ::testing::Not(HasSubstr("\n")));
  }
}

TEST(Refusals, WhatIsNewInALaterProgramIsIgnored) {
  const TempFolder folder;
  make_with_manifest(folder.path(), [](auto& manifest) { manifest["colour"] = "blue"; });
  EXPECT_EQ(open_reader(folder.path())->snapshot()->stats().chunks, 2);
  EXPECT_EQ(findings(*open_writer(folder.path())), "");
}

TEST(Refusals, ABankThatOnlyARestartCanUseAgain) {
  constexpr int kPanic = -30795;  // MDB_PANIC
  const Error error = error_of([] { fail_lmdb(kPanic, "read", "bank/data.mdb"); });
  EXPECT_EQ(error.kind(), ErrorKind::io);
  EXPECT_EQ(
      std::string(error.what()),
      "cannot read bank/data.mdb: a commit failed while it was being written, and this process "
      "can use the bank no more; end it and start it again, what was committed before is kept");
}

TEST(Refusals, EveryFieldOfTheFingerprint) {
  const TempFolder folder;
  { add_text(*open_writer(folder.path()), "a", 2); }
  const std::vector<std::pair<const char*, std::function<void(Fingerprint&)>>> changes = {
      {"tokenizer t0", [](Fingerprint& f) { f.tokenizer = "t1"; }},
      {"writer w0", [](Fingerprint& f) { f.writer = "w1"; }},
      {"memory_layer 2", [](Fingerprint& f) { f.memory_layer = 3; }},
      {"kv_heads 2", [](Fingerprint& f) { f.kv_heads = 4; }},
      {"head_dim 8", [](Fingerprint& f) { f.head_dim = 16; }},
      {"chunk_tokens 8", [](Fingerprint& f) { f.chunk_tokens = 16; }},
      {"kv_dtype bf16", [](Fingerprint& f) { f.kv_dtype = DType::f16; }},
      {"embedder sif", [](Fingerprint& f) { f.embedder = "pooled"; }},
      {"embedder_dim 16", [](Fingerprint& f) { f.embedder_dim = 32; }}};
  for (const auto& [name, change] : changes) {
    Fingerprint other = small_fingerprint();
    change(other);
    for (const OpenMode mode : {OpenMode::read, OpenMode::write}) {
      const Error error = error_of([&] { Bank::open(folder.path(), {mode, other}); });
      EXPECT_EQ(error.kind(), ErrorKind::mismatch) << name;
      EXPECT_THAT(error.what(), HasSubstr(std::string("has ") + name));
    }
  }
}

TEST(Refusals, PlacesThatAreNoFolder) {
  const TempFolder folder;
  const auto file = folder.path() / "file";
  std::ofstream(file) << "text";
  EXPECT_FALSE(Bank::exists(file));
  EXPECT_EQ(error_of([&] { open_reader(file); }).kind(), ErrorKind::usage);
  EXPECT_EQ(error_of([&] { open_writer(file); }).kind(), ErrorKind::io);
  EXPECT_EQ(error_of([&] { open_writer(file / "bank"); }).kind(), ErrorKind::io);
  std::filesystem::create_directories(folder.path() / "odd" / "data.mdb");
  EXPECT_EQ(error_of([&] { open_reader(folder.path() / "odd"); }).kind(), ErrorKind::usage);
  EXPECT_NE(error_of([&] { open_writer(folder.path() / "odd"); }).kind(), ErrorKind::internal);
}

/// Where data.mdb is made, a killed process may leave anything.
TEST(Refusals, ABankWhoseMakingWasCutShortIsMadeAgain) {
  const TempFolder folder;
  const auto making = folder.path() / "data.mdb.making";
  std::filesystem::create_directory(making);
  std::ofstream(making / "data.mdb") << "half of a page";
  EXPECT_FALSE(Bank::exists(folder.path()));
  { add_text(*open_writer(folder.path()), "a", 2); }
  EXPECT_FALSE(std::filesystem::exists(making));
  EXPECT_EQ(open_reader(folder.path())->snapshot()->stats().chunks, 2);
  std::filesystem::create_directory(making);  // killed when data.mdb had its name already
  (void)open_writer(folder.path());
  EXPECT_FALSE(std::filesystem::exists(making));
}

TEST(Refusals, AnEmptyDataFileIsNoNewBank) {
  const TempFolder folder;
  { add_text(*open_writer(folder.path()), "a", 2); }
  std::filesystem::resize_file(folder.path() / "data.mdb", 0);
  EXPECT_TRUE(Bank::exists(folder.path())) << "opening it says what is wrong";
  for (const bool write : {false, true}) {
    const Error error =
        error_of([&] { (void)(write ? open_writer(folder.path()) : open_reader(folder.path())); });
    EXPECT_EQ(error.kind(), ErrorKind::corrupt);
    EXPECT_THAT(error.what(), HasSubstr("data.mdb is damaged (the file is empty)"));
  }
}

TEST(Refusals, ABankWithoutDocumentsCanBeDiscarded) {
  const TempFolder folder;
  const auto path = folder.path() / "bank";
  {
    const auto bank = open_writer(path);
    EXPECT_TRUE(bank->discard_if_empty());
    EXPECT_FALSE(Bank::exists(path));
  }
  EXPECT_TRUE(std::filesystem::is_empty(path));
  const auto bank = open_writer(path);
  add_text(*bank, "a", 2);
  EXPECT_FALSE(bank->discard_if_empty());
  EXPECT_EQ(bank->snapshot()->stats().chunks, 2);
}

TEST(Refusals, AReaderThatFindsNoAddressSpaceForAGrownMap) {
#if defined(MEMLONG_SANITIZED)
  GTEST_SKIP() << "sanitizers reserve address space of their own";
#endif
  const TempFolder folder;
  Fingerprint f = small_fingerprint();
  f.head_dim = 512;
  const auto writer = open_writer(folder.path(), f);
  add_text(*writer, "a", 2);
  int ready[2];
  int go[2];
  ASSERT_EQ(::pipe(ready) | ::pipe(go), 0);
  const pid_t reader = in_child([&] {
    const auto bank = open_reader(folder.path());
    const auto before = bank->snapshot();
    char sign = 'r';
    if (::write(ready[1], &sign, 1) != 1 || ::read(go[0], &sign, 1) != 1) return 1;
    rlimit limit{};
    ::getrlimit(RLIMIT_AS, &limit);
    const rlimit tight{1, limit.rlim_max};
    ::setrlimit(RLIMIT_AS, &tight);
    const Error error = error_of([&] { (void)bank->snapshot(); });
    ::setrlimit(RLIMIT_AS, &limit);
    if (error.kind() != ErrorKind::capacity) return 2;
    if (!holds(*before, f, 2, 1)) return 3;  // the old map is still there
    return bank->snapshot()->stats().chunks == 102 ? 0 : 4;
  });
  char sign = 0;
  ASSERT_EQ(::read(ready[0], &sign, 1), 1);
  add_text(*writer, "b", 100, 10);
  ASSERT_EQ(::write(go[1], &sign, 1), 1);
  EXPECT_EQ(wait_for(reader), 0);
  for (const int fd : {ready[0], ready[1], go[0], go[1]}) ::close(fd);
}

/// A reader on a read-only mount cannot tell a writer of itself: one keeps the other out.
TEST(Refusals, WritersAndReadersThatCannotRegister) {
  const TempFolder folder;
  test::SmallDisk::run(folder.path(), size_t{8} << 20, [](const test::SmallDisk& disk) {
    const auto bank = disk.path() / "bank";
    const auto window = disk.path() / "window";
    std::filesystem::create_directory(window);
    { add_text(*open_writer(bank), "a", 2); }
    ASSERT_EQ(::mount(bank.c_str(), window.c_str(), nullptr, MS_BIND, nullptr), 0);
    ASSERT_EQ(::mount(nullptr, window.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr),
              0);
    {
      const auto writer = open_writer(bank);
      const pid_t child = in_child([&] {
        const Error error = error_of([&] { open_reader(window); });
        return error.kind() == ErrorKind::busy &&
                       std::string(error.what()).find("can only be read") != std::string::npos
                   ? 0
                   : 1;
      });
      EXPECT_EQ(wait_for(child), 0);
    }
    const auto reader = open_reader(window);
    EXPECT_TRUE(holds(*reader->snapshot(), small_fingerprint(), 2, 1));
    EXPECT_EQ(wait_for(in_child([&] {
                const auto second = open_reader(window);  // any number of them
                const Error error = error_of([&] { open_writer(bank); });
                if (error.kind() != ErrorKind::busy) return 1;
                if (std::string(error.what()).find("being read") == std::string::npos) return 2;
                return error_of([&] { open_writer(window); }).kind() == ErrorKind::io ? 0 : 3;
              })),
              0);
  });
}

}  // namespace
}  // namespace memlong::membank
