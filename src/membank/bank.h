// The bank: chunks of memory on disk, in an LMDB environment. docs/formats/membank.md is the
// byte-level format.
//
// One process writes at a time, many read. A commit is there after a crash, or not at all. Every
// record carries a CRC-32C that is checked when it is read: damage is Error{corrupt}, never data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "membank/types.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::membank {

enum class OpenMode : uint8_t { read, write };

struct BankOptions {
  OpenMode mode = OpenMode::read;
  /// Checked against the manifest. Needed to create a bank (mode write, nothing there yet).
  std::optional<Fingerprint> fingerprint;
  size_t initial_map_bytes = size_t{64} << 20;  ///< grows by itself
};

struct Removed {
  int64_t documents = 0;
  int64_t chunks = 0;
  int64_t tokens = 0;
};

/// A chunk and where its K and V go: [G, n, D] of f32, bf16 or f16, strides free.
struct KvPlace {
  ChunkId id = 0;
  TensorView k;
  TensorView v;
};

/// Told of a record that cannot be read: its key, and what is wrong.
using OnDamage = std::function<void(uint64_t id, const std::string& what)>;

/// A consistent view. What is being copied from another bank, and is not all there, is no part of
/// it. Short-lived: as long as it lives, pages it sees cannot be reused. Not
/// thread-safe, but every thread can have its own; may be moved between threads.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  [[nodiscard]] virtual BankStats stats() const = 0;
  [[nodiscard]] virtual uint64_t generation() const = 0;
  /// Generation of the last commit that removed a chunk (an index older than it must be rebuilt).
  [[nodiscard]] virtual uint64_t removal_generation() const = 0;
  [[nodiscard]] virtual ChunkId last_chunk() const = 0;
  /// The last number that was given to a document, be it there or forgotten.
  [[nodiscard]] virtual DocumentId last_document() const = 0;

  [[nodiscard]] std::vector<Document> documents() const { return documents({}); }
  /// Passes over what is damaged, where `damaged` is given.
  [[nodiscard]] virtual std::vector<Document> documents(const OnDamage& damaged) const = 0;
  /// The numbers of a namespace's documents of one kind, in no order; and of those with this name,
  /// rising.
  [[nodiscard]] virtual std::vector<DocumentId> documents_of(const std::string& name_space,
                                                             DocumentKind kind) const = 0;
  [[nodiscard]] virtual std::vector<DocumentId> documents_of(const std::string& name_space,
                                                             DocumentKind kind,
                                                             const std::string& name) const = 0;
  [[nodiscard]] virtual std::optional<Document> document(DocumentId id) const = 0;
  [[nodiscard]] virtual std::optional<Document> find_text(const std::string& name_space,
                                                          const Digest& content_hash) const = 0;
  /// The document of this name and kind (the newest of several).
  [[nodiscard]] virtual std::optional<Document> find_name(const std::string& name_space,
                                                          const std::string& name,
                                                          DocumentKind kind) const = 0;
  [[nodiscard]] virtual std::map<std::string, uint32_t> name_spaces() const = 0;
  [[nodiscard]] virtual std::string name_space_name(uint32_t id) const = 0;  ///< "": unknown

  [[nodiscard]] virtual std::optional<ChunkInfo> chunk(ChunkId id) const = 0;
  [[nodiscard]] virtual std::vector<int32_t> chunk_tokens(ChunkId id) const = 0;
  /// The stored vector [E] of a chunk; empty when the chunk is not there.
  [[nodiscard]] virtual std::vector<float> chunk_vector(ChunkId id) const = 0;
  /// A document's chunks by position; those that were pruned are missing.
  [[nodiscard]] virtual std::vector<ChunkInfo> document_chunks(DocumentId id) const = 0;
  /// The document that lists the chunk, damaged or not. Looks through all lists.
  [[nodiscard]] virtual std::optional<DocumentId> document_of(ChunkId id) const = 0;
  /// All chunks that documents list, rising, without a look at them.
  [[nodiscard]] virtual std::vector<ChunkId> chunk_ids() const = 0;
  /// All chunks with id > `after`, rising.
  void for_each_chunk(ChunkId after, const std::function<void(const ChunkInfo&)>& fn) const {
    for_each_chunk(after, fn, {});
  }
  /// Passes over what is damaged, where `damaged` is given.
  virtual void for_each_chunk(ChunkId after, const std::function<void(const ChunkInfo&)>& fn,
                              const OnDamage& damaged) const = 0;
  /// All vectors with id > `after`, rising; the span [E] lives until fn returns.
  virtual void for_each_vector(
      ChunkId after, const std::function<void(ChunkId, std::span<const float>)>& fn) const = 0;
  /// Copies K and V into k and v, [G, n, D] of f32, bf16 or f16 (converted), strides free.
  /// False when the chunk is not there (any more).
  virtual bool read_kv(ChunkId id, const TensorView& k, const TensorView& v) const = 0;
  /// The same for several chunks: they are looked up one by one, then checked and copied side by
  /// side on the context's threads. Says of each whether it is there. Errors: corrupt, for the
  /// first of them that is damaged (others may have been copied); internal, for places of another
  /// shape.
  [[nodiscard]] virtual std::vector<bool> read_kv(std::span<const KvPlace> places,
                                                  const Context& context) const = 0;

  /// A text document's whole text, or a dialog's turns joined as "role: content" lines.
  [[nodiscard]] virtual std::string text(DocumentId id) const = 0;
  [[nodiscard]] virtual std::vector<Turn> turns(DocumentId id) const = 0;
  /// A blob by key ("sif"), empty when there is none.
  [[nodiscard]] virtual std::string blob(const std::string& key) const = 0;
  [[nodiscard]] virtual std::vector<std::string> blob_keys() const = 0;
};

/// Changes of one commit. Lives inside Bank::update only. It sees its own changes.
class Transaction : public Snapshot {
 public:
  virtual DocumentId create_document(const NewDocument& document) = 0;
  /// Appends a chunk after the document's last one. vector [E]; k, v [G, n, D] f32 or bf16 or f16,
  /// strides free, n = ids.size() <= tau. A dialog's tail, of which the chunk was made, is dropped:
  /// set_tail() says what remains. The vector is kept in half precision (Error{usage} when it
  /// does not fit); K and V are converted to the bank's dtype.
  virtual ChunkId append_chunk(DocumentId id, std::span<const int32_t> ids,
                               std::span<const float> vector, const TensorView& k,
                               const TensorView& v) = 0;
  virtual void append_text(DocumentId id, std::string_view text) = 0;
  virtual void append_turn(DocumentId id, const Turn& turn) = 0;
  /// A dialog's unfinished chunk, replacing the last one (document.tokens follows).
  virtual void set_tail(DocumentId id, std::span<const int32_t> ids) = 0;
  virtual void set_settings(DocumentId id, const std::string& settings) = 0;
  virtual void finish_document(DocumentId id) = 0;  ///< a text is complete
  virtual Removed forget(DocumentId id) = 0;        ///< from every database
  virtual Removed remove_chunks(std::span<const ChunkId> ids) = 0;
  virtual void add_hits(const std::map<ChunkId, uint64_t>& hits, int64_t time) = 0;
  virtual void set_blob(const std::string& key, std::string_view value) = 0;

  // For copies between banks (transfer.h).
  /// A document as it stands in another bank: name, hash, times, settings, tail; chunks and text
  /// are still to come. Until finish_copy() nobody sees it, and a copy that was never finished is
  /// forgotten when the bank is next opened for writing. One copy at a time.
  virtual DocumentId begin_copy(const Document& original) = 0;
  /// A chunk with the position, time and use counts of `original`.
  virtual ChunkId copy_chunk(DocumentId id, const ChunkInfo& original, std::span<const int32_t> ids,
                             std::span<const float> vector, const TensorView& k,
                             const TensorView& v) = 0;
  virtual void finish_copy(DocumentId id, const Document& original) = 0;
};

struct BadRecord {
  std::string database;
  std::string key;
  std::string what;
};

/// Thread-safe. One object per bank and process.
class Bank {
 public:
  virtual ~Bank() = default;

  /// Errors: io; mismatch (fingerprint, format version); busy (mode write while another process
  /// writes, naming its process id); corrupt; usage (no bank there and none may be made).
  static std::unique_ptr<Bank> open(const std::filesystem::path& folder,
                                    const BankOptions& options);
  /// Whether `folder` holds a bank.
  static bool exists(const std::filesystem::path& folder);

  [[nodiscard]] virtual const std::filesystem::path& folder() const = 0;
  [[nodiscard]] virtual const Fingerprint& fingerprint() const = 0;
  [[nodiscard]] virtual bool writable() const = 0;
  /// Differs between two banks, of the same fingerprint too; stays the same for life.
  [[nodiscard]] virtual std::string identity() const { return fingerprint().digest(); }
  /// What is committed now. A bank that is open for reading follows a compaction by another
  /// process. Errors: mismatch (the folder holds another bank by now), io (it is gone), corrupt.
  [[nodiscard]] virtual std::unique_ptr<Snapshot> snapshot() const = 0;

  /// Runs `fn` and commits what it did, durably, or nothing if it throws. When the map is full it
  /// grows and `fn` runs again from the start, so fn must not keep state from a failed run. One
  /// update at a time; the callers' threads wait.
  virtual void update(const std::function<void(Transaction&)>& fn) = 0;

  /// Removes chunks; those that are not there are passed over. Many go in several commits: once
  /// begun, all will go. After a crash whoever opens the bank for writing removes the rest.
  virtual Removed remove_chunks(std::span<const ChunkId> ids) = 0;

  /// Counts one retrieval of each chunk. Cheap: kept in memory until flush_hits(), and flushed
  /// with every update().
  virtual void count_hits(std::span<const ChunkId> ids) = 0;
  virtual void flush_hits() = 0;

  /// Reads every record of every database, checks checksums and cross references.
  [[nodiscard]] virtual std::vector<BadRecord> verify(
      const std::function<void(int64_t done, int64_t total)>& progress = {}) const = 0;
  /// Where the bank holds no document: removes its files, so that its folder holds no bank, and
  /// returns true. The object can only be destroyed then. Errors: usage (not writable), io.
  virtual bool discard_if_empty() { return false; }
  /// Rewrites the data file without free pages; nothing of what was removed is left in it.
  /// Snapshots that are open keep the old file. Errors: corrupt, io, capacity.
  virtual void compact() = 0;
};

}  // namespace memlong::membank
