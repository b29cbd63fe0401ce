// Stage 1 of an ingest: sources to documents, known ones left out, text to tokens.
#include <algorithm>
#include <optional>
#include <vector>

#include "common/error.h"
#include "engine/ingest_stages.h"

namespace memlong::engine {
namespace {

constexpr size_t kBlockBytes = size_t{64} << 10;

/// A text that can be read from its start as often as needed.
using OpenText = std::function<ReadBlock()>;

ReadBlock read_string(std::string_view text) {
  return [text](char* to, size_t size) mutable {
    const size_t count = std::min(size, text.size());
    text.copy(to, count);
    text.remove_prefix(count);
    return count;
  };
}

class Reader {
 public:
  Reader(IngestState& state, const membank::Bank* bank, const LoadedModel* model, ReadQueue* out)
      : state_(state), bank_(bank), model_(model), out_(out) {}

  void read(const Source& source) {
    try {
      SourceFile file(source);
      state_.total_bytes += file.bytes() - source.bytes;
      if (source.kind == SourceKind::json_lines) {
        read_rows(source, file);
      } else {
        read_document(source.name, state_.options.name_space, file.bytes(),
                      [&file] { return file.open(); });
      }
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::internal) throw;
      if (source.kind == SourceKind::text) state_.bytes += source.bytes;
      state_.failed(source.name, error.what(), source.bytes);
    }
  }

 private:
  void read_rows(const Source& source, SourceFile& file) {
    LineReader lines(file.open());
    std::string line;
    bool any = false;
    while (lines.next(line)) {
      check_stop();
      if (line.find_first_not_of(" \t\r") != std::string::npos) {
        any = true;
        read_row(source.name + ":" + std::to_string(lines.number()), line, lines.too_long());
      }
      // What of the line is no text (quotes, keys, escapes) counts as done with it.
      state_.bytes += lines.line_bytes() - counted_;
      counted_ = 0;
    }
    if (!any) fail(ErrorKind::format, "empty: no line holds a document");
  }

  void read_row(const std::string& place, const std::string& line, bool too_long) {
    try {
      if (too_long) {
        fail(ErrorKind::format, "a line of more than " + std::to_string(kMaxRowBytes >> 20) +
                                    " MiB; put such a text into a file of its own");
      }
      const Row row = parse_row(line, state_.options.fields);
      const std::string& space = state_.options.row_name_spaces && !row.name_space.empty()
                                     ? row.name_space
                                     : state_.options.name_space;
      in_row_ = true;
      read_document(row.name.empty() ? place : row.name, space,
                    static_cast<int64_t>(row.text.size()),
                    [&row] { return read_string(row.text); });
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::internal) throw;
      state_.failed(place, error.what(), static_cast<int64_t>(line.size()));
    }
    in_row_ = false;
  }

  void read_document(const std::string& name, const std::string& space, int64_t size,
                     const OpenText& open) {
    const DocumentBegin begin = identify(name, space, size, open());
    const bool repeated = !seen_.emplace(space, begin.hash).second;
    if (repeated || complete_) {
      if (begin.id != 0) {
        state_.met(begin.id, space, name);
      } else {
        state_.met_again(begin.hash, space, name);
      }
      done_with(size);
      state_.report({DocumentOutcome::known, name, space, size, {}});
      return;
    }
    if (out_ == nullptr) {
      done_with(size);
      const bool resumed = begin.id != 0;
      state_.report(
          {resumed ? DocumentOutcome::resumed : DocumentOutcome::fresh, name, space, size, {}});
      return;
    }
    send(begin, 0);
    send_text(begin, open());
  }

  /// Bytes that no later stage will count.
  void done_with(int64_t size) {
    state_.bytes += size;
    if (in_row_) counted_ += size;
  }

  /// Reads the text once: is it text, what is its hash, what does the bank know of it?
  DocumentBegin identify(const std::string& name, const std::string& space, int64_t size,
                         const ReadBlock& read) {
    TextCheck check;
    Sha256 hash;
    std::vector<char> block(kBlockBytes);
    while (const size_t got = read(block.data(), block.size())) {
      check_stop();
      check.feed({block.data(), got});
      hash.update(std::string_view(block.data(), got));
    }
    check.finish();
    DocumentBegin begin{.name = name, .name_space = space, .hash = hash.finish(), .bytes = size};
    complete_ = false;
    const auto known =
        bank_ == nullptr ? std::nullopt : bank_->snapshot()->find_text(space, begin.hash);
    if (known) {
      complete_ = known->complete;
      begin.id = known->id;
      begin.tokens = known->tokens;
      begin.text_bytes = known->text_bytes;
    }
    return begin;
  }

  void send_text(const DocumentBegin& begin, const ReadBlock& read) {
    Sha256 hash;
    try {
      PieceReader pieces([&](char* to, size_t size) {
        const size_t got = read(to, size);
        hash.update(std::string_view(to, got));
        return got;
      });
      bool first = true;
      while (std::optional<std::string> text = pieces.next()) {
        DocumentPiece piece{.text = std::move(*text), .ids = {}};
        if (in_row_) counted_ += static_cast<int64_t>(piece.text.size());
        piece.ids = model_->tokens->encode(unix_lines(piece.text), !first);
        if (first && model_->tokens->adds_bos() && !model_->settings.window_bos) {
          piece.ids.insert(piece.ids.begin(), model_->tokens->bos());
        }
        first = false;
        const size_t weight = piece.text.size() + piece.ids.size() * sizeof(int32_t);
        send(std::move(piece), weight);
      }
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::internal) throw;
      return send(DocumentLost{error.what()}, 0);
    }
    if (hash.finish() != begin.hash) {
      return send(DocumentLost{"the file changed while it was read; run again", true}, 0);
    }
    send(DocumentEnd{}, 0);
  }

  void send(ReadItem item, size_t weight) {
    check_stop();
    if (!out_->push(std::move(item), weight)) throw StageEnd{};
  }

  void check_stop() const {
    if (state_.stopping()) throw StageEnd{};
  }

  IngestState& state_;
  const membank::Bank* bank_;
  const LoadedModel* model_;
  ReadQueue* out_;
  std::set<std::pair<std::string, Digest>> seen_;
  bool complete_ = false;  ///< the document that was identified last is complete in the bank
  bool in_row_ = false;
  int64_t counted_ = 0;  ///< text bytes of the current row, counted here or by a later stage
};

}  // namespace

void read_sources(IngestState& state, const std::vector<Source>& sources, const membank::Bank* bank,
                  const LoadedModel* model, ReadQueue* out) {
  for (const Source& source : sources) state.total_bytes += source.bytes;
  Reader reader(state, bank, model, out);
  for (const Source& source : sources) reader.read(source);
}

}  // namespace memlong::engine
