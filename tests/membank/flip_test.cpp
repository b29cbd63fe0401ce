// Every region of a small bank with a bit flipped: damage is found or does no harm. It is never
// served as if it were data, and it ends no process.
//
// MEMLONG_TEST_FLIPS=all tries a bit of every byte, MEMLONG_TEST_FLIPS=bits every bit. Otherwise it
// is a bit of every byte of the meta pages, of the beginning of every page, and of some others.
#include <array>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <sys/mman.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/file.h"
#include "membank/bank_fixture.h"
#include "membank/child_process.h"
#include "membank/damage_fixture.h"

namespace memlong::membank {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

enum class Verdict : uint8_t {
  crash,     ///< the process ended
  refused,   ///< the bank could not be opened or read, and verify says so too
  found,     ///< what was read was right; verify found damage
  harmless,  ///< nothing is different
  unnoticed  ///< something is different, or cannot be read, and verify found nothing
};

constexpr size_t kPage = 4096;

/// Verdicts of child processes.
class SharedVerdicts {
 public:
  explicit SharedVerdicts(size_t count)
      : count_(count),
        at_(static_cast<Verdict*>(
            ::mmap(nullptr, count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  SharedVerdicts(const SharedVerdicts&) = delete;
  SharedVerdicts& operator=(const SharedVerdicts&) = delete;
  ~SharedVerdicts() { ::munmap(at_, count_); }
  Verdict& operator[](size_t i) const { return at_[i]; }

 private:
  size_t count_;
  Verdict* at_;
};

bool verify_finds_damage(const std::filesystem::path& folder) {
  try {
    return !open_reader(folder)->verify().empty();
  } catch (const Error&) {
    return true;
  }
}

/// Reads first, as a tool would that verifies nothing.
Verdict judge(const std::filesystem::path& folder, const std::string& good) {
  std::string read;
  bool refused = false;
  try {
    read = content(*open_reader(folder));
  } catch (const Error&) {
    refused = true;
  }
  const bool found = verify_finds_damage(folder);
  if (refused) return found ? Verdict::refused : Verdict::unnoticed;
  if (read != good) return Verdict::unnoticed;
  return found ? Verdict::found : Verdict::harmless;
}

void write_byte(const std::filesystem::path& folder, size_t offset, char value) {
  const int fd = ::open((folder / "data.mdb").c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0 || ::pwrite(fd, &value, 1, static_cast<off_t>(offset)) != 1) ::_exit(98);
  ::close(fd);
}

char flipped(const std::string& bytes, size_t bit) {
  return static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
}

std::vector<size_t> bits_to_flip(size_t bytes) {
  const char* wanted = std::getenv("MEMLONG_TEST_FLIPS");
  const std::string mode = wanted == nullptr ? "" : wanted;
  std::vector<size_t> bits;
  for (size_t at = 0; at < bytes; ++at) {
    const size_t in_page = at % kPage;
    const bool meta = at < 2 * kPage && in_page < 152;
    const bool chosen = meta || (at >= 2 * kPage && in_page < 24) || at % 211 == 0;
    if (mode.empty() && !chosen) continue;
    // Every bit of what nothing but the other meta page can prove wrong.
    const bool every = mode == "bits" || (meta && in_page >= 136);
    for (size_t bit = 0; bit < 8; ++bit) {
      if (every || bit == at * 5 % 8) bits.push_back(8 * at + bit);
    }
  }
  return bits;
}

/// Flips and judges in child processes, as many flips in each as it survives.
void judge_all(const std::filesystem::path& folder, const std::string& bytes,
               const std::string& good, const std::vector<size_t>& bits,
               const SharedVerdicts& verdicts) {
  for (size_t next = 0; next < bits.size(); ++next) {
    const int status = wait_for(in_child([&] {
      for (; next < bits.size(); ++next) {
        write_byte(folder, bits[next] / 8, flipped(bytes, bits[next]));
        verdicts[next] = judge(folder, good);
        write_byte(folder, bits[next] / 8, bytes[bits[next] / 8]);
      }
      return 0;
    }));
    if (status == 0) return;
    while (next < bits.size() && verdicts[next] != Verdict::crash) ++next;
    ASSERT_LT(next, bits.size()) << "a child ended with " << status << " for no flip";
    write_byte(folder, bits[next] / 8, bytes[bits[next] / 8]);
  }
}

TEST(Flips, AreFoundOrHarmless) {
  const TempFolder folder;
  make_bank(folder.path());
  const std::string good = content(*open_reader(folder.path()));
  const std::string bytes = read_file(folder.path() / "data.mdb");
  const std::vector<size_t> bits = bits_to_flip(bytes.size());
  const SharedVerdicts verdicts(bits.size());
  judge_all(folder.path(), bytes, good, bits, verdicts);
  std::array<int, 5> count{};
  for (size_t i = 0; i < bits.size(); ++i) {
    ++count[static_cast<size_t>(verdicts[i])];
    if (verdicts[i] != Verdict::crash && verdicts[i] != Verdict::unnoticed) continue;
    ADD_FAILURE() << "bit " << bits[i] % 8 << " of byte " << bits[i] / 8 % kPage << " of page "
                  << bits[i] / 8 / kPage
                  << (verdicts[i] == Verdict::crash ? " ended the process" : " was not noticed");
  }
  std::printf(
      "%zu flips in %zu bytes: %d refused, %d found by verify, %d harmless, %d unnoticed, "
      "%d crashes\n",
      bits.size(), bytes.size(), count[1], count[2], count[3], count[4], count[0]);
  EXPECT_GT(count[1] + count[2], count[3] / 4);
}

/// A writer that meets damage: whatever it does, no process ends, and damage does not get lost.
TEST(Flips, DoNotLeadAWriterAstray) {
  const TempFolder folder;
  make_bank(folder.path());
  const std::string bytes = read_file(folder.path() / "data.mdb");
  int refused = 0;
  int tried = 0;
  for (size_t page = 0; page < bytes.size() / kPage; page += page < 2 ? 1 : 3) {
    for (const size_t in_page : {size_t{10}, size_t{13}, size_t{17}, size_t{60}, kPage - 40}) {
      const size_t bit = 8 * (page * kPage + in_page) + page % 8;
      std::string damaged = bytes;
      damaged[bit / 8] = flipped(bytes, bit);
      std::filesystem::remove(folder.path() / "lock.mdb");
      std::ofstream(folder.path() / "data.mdb", std::ios::binary | std::ios::trunc) << damaged;
      const bool known = verify_finds_damage(folder.path());
      const int status = wait_for(in_child([&] {
        try {
          const auto bank = open_writer(folder.path(), paged_chunks());
          bank->update([](Transaction& t) { t.forget(3); });
          add_text(*bank, "new", 4, 70);
          bank->compact();
        } catch (const Error& error) {
          return error.kind() == ErrorKind::internal ? 2 : 1;
        }
        return 0;
      }));
      ++tried;
      refused += status == 1 ? 1 : 0;
      EXPECT_TRUE(status == 0 || status == 1)
          << "page " << page << ", byte " << in_page << ": " << status;
      EXPECT_TRUE(known || !verify_finds_damage(folder.path())) << page << " " << in_page;
    }
  }
  std::printf("%d damaged banks written to: %d refused\n", tried, refused);
  EXPECT_GT(refused, tried / 10);
}

}  // namespace
}  // namespace memlong::membank
