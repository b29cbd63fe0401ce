// What was forgotten is in no file of the bank once it was compacted: the raw bytes are searched.
#include <cstring>
#include <fstream>
#include <random>
#include <unordered_set>

#include <gtest/gtest.h>

#include "common/file.h"
#include "membank/bank_fixture.h"

namespace memlong::membank {
namespace {

using testing::findings;
using testing::named;
using testing::open_writer;
using testing::TempFolder;

constexpr size_t kWindow = 6;  ///< bytes; fewer occur by chance

Fingerprint fingerprint() {
  Fingerprint f = testing::small_fingerprint();
  f.head_dim = 24;  // K and V that fill no whole page
  f.embedder_dim = 40;
  return f;
}

/// All runs of kWindow bytes of what was added.
class Needles {
 public:
  void add(std::string_view bytes) {
    for (size_t i = 0; i + kWindow <= bytes.size(); ++i) all_.insert(pack(bytes.data() + i));
  }
  template <class T>
  void add_values(const std::vector<T>& values) {
    add({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
  }
  [[nodiscard]] size_t size() const { return all_.size(); }
  /// How often any of them occurs in the files of the folder.
  [[nodiscard]] size_t count_in(const std::filesystem::path& folder) const {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::string bytes = read_file(entry.path());
      for (size_t i = 0; i + kWindow <= bytes.size(); ++i) {
        count += all_.contains(pack(bytes.data() + i)) ? 1 : 0;
      }
    }
    return count;
  }

 private:
  static uint64_t pack(const char* bytes) {
    uint64_t value = 0;
    std::memcpy(&value, bytes, kWindow);
    return value;
  }
  std::unordered_set<uint64_t> all_;
};

/// Random content; no run of it is likely to occur anywhere else.
class Author {
 public:
  explicit Author(uint32_t seed) : random_(seed) {}

  std::string text(size_t size) {
    std::string text(size, ' ');
    for (char& letter : text) letter = static_cast<char>('!' + random_() % 90);
    return text;
  }

  /// Adds a document in several commits, as an ingest does, and notes what is stored.
  DocumentId write(Bank& bank, const std::string& name, int commits, Needles& needles) {
    DocumentId id = 0;
    for (int commit = 0; commit < commits; ++commit) {
      const std::string part = text(700 + random_() % 9000);
      needles.add(part);
      bank.update([&](Transaction& t) {
        if (commit == 0) id = t.create_document(named(name));
        for (int i = 0; i < 3; ++i) write_chunk(t, id, bank.fingerprint(), needles);
        t.append_text(id, part);
      });
    }
    bank.update([&](Transaction& t) { t.finish_document(id); });
    needles.add(name);
    return id;
  }

  DocumentId talk(Bank& bank, const std::string& name, int turns, Needles& needles) {
    DocumentId id = 0;
    for (int turn = 0; turn < turns; ++turn) {
      const std::string said = text(20 + random_() % 3000);
      const std::vector<int32_t> tail = ids(7);
      needles.add(said);
      needles.add_values(tail);
      bank.update([&](Transaction& t) {
        if (turn == 0) id = t.create_document(named(name, DocumentKind::dialog));
        write_chunk(t, id, bank.fingerprint(), needles);
        t.append_turn(id, {"user", said, 8 * turn, 8 * turn + 8, 8 * turn, 8 * turn + 8, 5});
        t.set_tail(id, tail);
      });
    }
    return id;
  }

 private:
  std::vector<int32_t> ids(size_t count) {
    std::vector<int32_t> ids(count);
    for (int32_t& id : ids) id = static_cast<int32_t>(random_() & 0x7FFFFFFF);
    return ids;
  }

  Tensor random_values(const Fingerprint& f) {
    const Tensor bits({f.kv_heads, f.chunk_tokens, f.head_dim}, DType::bf16);
    auto* at = static_cast<uint16_t*>(bits.view().raw());
    for (int64_t i = 0; i < bits.view().elements(); ++i) {
      at[i] = static_cast<uint16_t>(0x3000 + random_() % 0x1000);  // small positive numbers
    }
    return bits;
  }

  void write_chunk(Transaction& t, DocumentId id, const Fingerprint& f, Needles& needles) {
    const std::vector<int32_t> tokens = ids(static_cast<size_t>(f.chunk_tokens));
    std::vector<float> vector(static_cast<size_t>(f.embedder_dim));
    std::vector<uint16_t> halves;
    for (float& value : vector) {
      halves.push_back(static_cast<uint16_t>(0x3000 + random_() % 0x0800));
      f16 half;
      half.bits = halves.back();
      value = static_cast<float>(half);
    }
    const Tensor k = random_values(f);
    const Tensor v = random_values(f);
    t.append_chunk(id, tokens, vector, k, v);
    needles.add_values(tokens);
    needles.add_values(halves);
    for (const Tensor& values : {k, v}) {
      needles.add({static_cast<const char*>(values.view().raw()), values.bytes()});
    }
  }

  std::mt19937 random_;
};

TEST(Deletion, LeavesNoByteBehind) {
  const TempFolder folder;
  Needles secret;
  Needles kept;
  Author author(1);
  const auto bank = open_writer(folder.path(), fingerprint());
  std::vector<DocumentId> going;
  for (int i = 0; i < 4; ++i) {
    author.write(*bank, "kept text number " + author.text(20), 3, kept);
    going.push_back(author.write(*bank, "secret " + author.text(600), 4, secret));
    author.talk(*bank, "kept talk number " + author.text(20), 3, kept);
    going.push_back(author.talk(*bank, "hidden " + author.text(30), 4, secret));
  }
  bank->count_hits(std::vector<ChunkId>{1, 2, 3, 4, 5, 6});
  // Memory that held records is used again for others within one process.
  for (const DocumentId id : going) {
    bank->update([&](Transaction& t) { t.forget(id); });
    author.write(*bank, "later text " + author.text(15), 1, kept);
  }
  std::ofstream(folder.path() / "data.mdb.new") << "of a compaction that was killed";
  const size_t before = secret.count_in(folder.path());
  EXPECT_GT(before, secret.size() / 100) << "the search finds what is there";
  const size_t stayed = kept.count_in(folder.path());
  bank->compact();
  EXPECT_EQ(secret.count_in(folder.path()), 0U);
  EXPECT_GE(kept.count_in(folder.path()), kept.size() * 9 / 10) << stayed;
  EXPECT_EQ(findings(*bank), "");
  author.write(*bank, "after all " + author.text(15), 2, kept);
  EXPECT_EQ(secret.count_in(folder.path()), 0U);
  EXPECT_EQ(findings(*bank), "");
}

TEST(Deletion, OfPrunedChunksToo) {
  const TempFolder folder;
  Needles all;
  Needles kept;
  Author author(2);
  const auto bank = open_writer(folder.path(), fingerprint());
  author.talk(*bank, "a talk", 6, all);  // one chunk a turn
  const auto chunks = bank->snapshot()->document_chunks(1);
  Needles vectors;
  for (const ChunkInfo& chunk : chunks) {
    vectors.add_values(bank->snapshot()->chunk_tokens(chunk.id));
  }
  std::vector<ChunkId> going;
  for (const ChunkInfo& chunk : chunks) going.push_back(chunk.id);
  bank->update([&](Transaction& t) { t.remove_chunks(going); });
  EXPECT_GT(vectors.count_in(folder.path()), 0U);
  bank->compact();
  EXPECT_EQ(vectors.count_in(folder.path()), 0U);
  EXPECT_EQ(findings(*bank), "");
}

}  // namespace
}  // namespace memlong::membank
