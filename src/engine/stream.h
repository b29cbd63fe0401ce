// The tokens of one document or dialog, read window by window with retrieval-causal attention.
//
// Knows nothing of banks: what a segment reads comes from a SetSource, completed chunks go to it.
// Windows start at multiples of the window stride, so the state of a stream depends on its tokens,
// its answer spans, the retrieved sets and the weights alone: it can be taken up again at any
// token.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backbone/block.h"
#include "backbone/kv_cache.h"
#include "engine/answer_spans.h"
#include "engine/chunk.h"
#include "engine/decoder.h"
#include "engine/host_rows.h"
#include "engine/loaded_model.h"
#include "membank/types.h"
#include "retriever/embedder.h"
#include "tensor/context.h"

namespace memlong::engine {

/// One chunk that a segment reads.
struct RetrievedChunk {
  membank::ChunkId id = 0;           ///< 0: of the own stream, not in a bank (yet)
  membank::DocumentId document = 0;  ///< 0: the own stream, not in a bank (yet)
  int64_t begin = 0;                 ///< position of its first token in its document
  int64_t tokens = 0;
  float score = 0.0F;      ///< of the likest query; recency is not taken off
  double attention = 0.0;  ///< mean share of attention it got (where measured)
};

/// What a segment reads: chunks oldest first, their K and V one after the other.
struct RetrievedSet {
  std::vector<RetrievedChunk> chunks;
  Tensor k;  ///< [G, M, D] of the network's dtype; empty when there are no chunks
  Tensor v;
};

/// What a segment asks for.
struct SetRequest {
  std::vector<std::vector<float>> queries;  ///< unit vectors [E]; a chunk's best score counts
  int64_t window_start = 0;  ///< of the own stream nothing at or after it may be in the set
  bool as_text = false;      ///< no answered message: recent_chunks and recency hold
};

/// Where sets come from and chunks go to.
class SetSource {
 public:
  SetSource() = default;
  SetSource(const SetSource&) = delete;
  SetSource& operator=(const SetSource&) = delete;
  virtual ~SetSource() = default;
  virtual std::shared_ptr<const RetrievedSet> retrieve(const SetRequest& request) = 0;
  /// A chunk of the own stream was completed for the first time.
  virtual void completed(EncodedChunk&& chunk) = 0;
  /// The newest completed chunk, which begins at `begin`, is no longer part of the stream.
  virtual void dropped(int64_t begin) = 0;
  /// The vector of the own stream's chunk that begins at `begin`; empty when it is not known. Asked
  /// only for chunks before the window, and only where the embedder needs hidden states.
  virtual std::vector<float> known_vector(int64_t begin) = 0;
};

struct StreamOptions {
  bool use_memory = true;        ///< false: no segment reads anything
  bool self_query = false;       ///< the published protocol: a segment is queried by its own text
  int64_t first_window = -1;     ///< >= 0: one window that begins at this token (evaluation)
  int64_t asks_from = 0;         ///< text before this token is in no query (evaluation)
  DType kv_dtype = DType::bf16;  ///< of completed chunks
};

/// Which logits a read() leaves behind.
enum class Want : uint8_t { nothing, last, all };

/// A segment as it was read, for /why and for tests.
struct SegmentRecord {
  int64_t position = 0;
  int64_t window_start = 0;
  std::shared_ptr<const RetrievedSet> set;
};

/// Not thread-safe.
class Stream {
 public:
  Stream(Context& context, std::shared_ptr<const LoadedModel> model,
         std::shared_ptr<const retriever::Embedder> embedder, SetSource& source,
         const StreamOptions& options);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() = default;

  /// Takes a stream up again: tokens [0, n) were read before, `spans` are its answers, chunks that
  /// end at or before `completed` are known. Those of the current window are unread: they are to be
  /// read again.
  void restore(std::vector<int32_t> tokens, std::vector<AnswerSpan> spans, int64_t completed);

  /// Reads tokens. Logits (see logits()) are of the last or of all of `ids`. Of a window that ends
  /// within `ids`, and of which no logits are wanted, only memory is made: its upper layers have no
  /// use.
  void read(std::span<const int32_t> ids, Want want = Want::nothing);
  /// Takes tokens that the next read() or catch_up() reads, so that short messages are read at
  /// once.
  void append(std::span<const int32_t> ids);
  /// Reads them.
  void catch_up();
  /// Reads them as far as one window reaches, at most `most` (0: no limit). While some are left,
  /// chunks may not have come yet.
  void read_window(int64_t most = 0);
  /// Takes the last `count` tokens back, with the chunks that they completed; no logits remain. Not
  /// for tokens of chunks that the source has handed on, nor before the current answer.
  void drop_last(int64_t count);
  /// Tokens taken, not read yet.
  [[nodiscard]] int64_t unread() const { return size() - read_; }

  /// The next token begins an answer to the message of tokens [query_begin, query_end), which is
  /// read again, as far as it stands in this window, with what it finds (where it was not answered
  /// before). `marks`: so many of the last tokens (0 or 1) open the answer already, where a
  /// template has no mark of its own for answers; they are read again.
  void begin_answer(int64_t query_begin, int64_t query_end, int64_t marks = 0);
  /// begin_answer() was for nothing: no token came after it. The window is to be read again.
  void withdraw_answer();
  /// Reads what is unread, and at least the last token, for its logits (as Want::last).
  void read_last_again();
  /// The next token is the user's.
  void end_answer();

  /// f32 [V] after Want::last, [T, V] after Want::all, in main memory. Row t is the distribution of
  /// the token after ids[t]. Valid until the next read.
  [[nodiscard]] const TensorView& logits() const;
  /// The same where they were computed, for ops that take them there.
  [[nodiscard]] const TensorView& computed_logits() const { return logits_; }

  [[nodiscard]] const std::vector<int32_t>& tokens() const { return tokens_; }
  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(tokens_.size()); }
  [[nodiscard]] int64_t completed() const { return completed_; }  ///< tokens in whole chunks
  [[nodiscard]] int64_t window_start() const { return window_start_; }
  [[nodiscard]] const SegmentRecord& segment() const { return segment_; }  ///< the current one
  /// Every segment, as it opens.
  void on_segment(std::function<void(const SegmentRecord&)> fn) { on_segment_ = std::move(fn); }

  /// While on, attention to memory is added up by chunk (costs a second pass over memory keys).
  void measure_attention(bool on);
  /// Per chunk of every set that was read since measure_attention(true): mean share.
  [[nodiscard]] std::vector<RetrievedChunk> measured();
  /// Null where tokens are not decoded on a GPU.
  [[nodiscard]] const Decoder* decoder() const { return decoder_.get(); }

 private:
  friend class StreamBatch;  // engine/stream_batch.cpp: the passes of several streams in one

  struct Measured {
    RetrievedChunk chunk;
    double mass = 0.0;
  };

  /// The segments of one forward pass, and the set that each reads.
  struct Plan {
    std::vector<ops::MemorySegment> segments;
    std::vector<std::shared_ptr<const RetrievedSet>> sets;
  };

  void open_window(int64_t start);
  void step_back(int64_t position);
  void read_pending(int64_t fresh_from, Want want);
  void make_logits(int64_t fresh_from, Want want);
  void read_next(int64_t fresh_from, Want want, int64_t most);
  void read_piece(int64_t count, int64_t fresh_from, Want want);
  void lower_done(const TensorView& x, int64_t lead);
  [[nodiscard]] bool decodes(Want want) const;
  void decode();
  void read_upper(const TensorView& x, int64_t lead);
  void keep_logits(const TensorView& x, int64_t lead, int64_t fresh_from, Want want);
  Plan plan_segments(int64_t begin, int64_t count, int64_t lead);
  [[nodiscard]] bool is_boundary(int64_t position) const;
  void open_segment(int64_t position);
  SetRequest request_at(int64_t position);
  std::vector<float> embed(int64_t begin, int64_t end);
  void advance(int64_t count, int64_t rows);
  void send_chunks();
  void hand_out_chunks();
  void add_measured(const backbone::MassProbe& probe, const Plan& plan);
  void take_measured();
  [[nodiscard]] bool joins() const;
  [[nodiscard]] backbone::MassProbe* probe_together();

  Context& context_;
  std::shared_ptr<const LoadedModel> model_;
  std::shared_ptr<const retriever::Embedder> embedder_;
  SetSource& source_;
  StreamOptions options_;
  backbone::KvCache cache_;
  ChunkRows chunk_rows_;  ///< what completed chunks are cut from
  int64_t sent_ = 0;      ///< tokens of chunks that are on their way there
  std::vector<int32_t> tokens_;
  std::vector<AnswerSpan> spans_;
  int64_t window_start_ = 0;  ///< token
  int64_t filled_ = 0;        ///< positions of the window that are in the cache, BOS included
  int64_t read_ = 0;          ///< tokens [window_start_, read_) are in the cache
  int64_t completed_ = 0;
  Tensor raw_k_;  ///< [G, W, D]: layer m's K of the window's positions
  Tensor raw_v_;
  Tensor hidden_;  ///< [W, C] f32: layer m's input, only where the embedder needs it
  Tensor logit_buffer_;
  TensorView logits_;
  mutable Tensor host_logits_;      ///< of logits_, where that is not in main memory
  mutable TensorView main_logits_;  ///< logits_ in main memory, once somebody has asked
  int64_t logit_rows_ = 0;          ///< rows of logits_ that are there
  bool writer_alone_ = false;       ///< rows of the window went through no upper layer
  int64_t known_ = 0;               ///< tokens whose hidden states of this window are there
  SegmentRecord segment_;
  std::function<void(const SegmentRecord&)> on_segment_;
  bool measuring_ = false;
  double measured_rows_ = 0.0;
  std::vector<Measured> measured_;
  std::unique_ptr<Decoder> decoder_;
  std::shared_ptr<const RetrievedSet> decoder_set_;  ///< what the decoder reads
  backbone::MassProbe together_;  ///< of tokens that were read beside other streams', of one set
  std::shared_ptr<const RetrievedSet> together_set_;
};

}  // namespace memlong::engine
