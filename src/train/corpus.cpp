#include "train/corpus.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/error.h"
#include "common/hash.h"
#include "common/log.h"
#include "engine/ingest_rows.h"
#include "engine/ingest_sources.h"
#include "engine/ingest_text.h"
#include "engine/json_line.h"

namespace memlong::train {
namespace {

namespace fs = std::filesystem;

engine::ReadBlock read_string(std::string_view text) {
  return [text](char* to, size_t size) mutable {
    const size_t count = std::min(size, text.size());
    text.copy(to, count);
    text.remove_prefix(count);
    return count;
  };
}

/// The string under "text" of a line of JSON.
std::string text_of_line(std::string_view line) {
  const nlohmann::json row = engine::parse_json_line(line);
  const auto found = row.is_object() ? row.find("text") : row.end();
  if (found == row.end() || !found->is_string()) fail(ErrorKind::format, "no string \"text\"");
  return found->get<std::string>();
}

/// One line that begins with the place, whatever was wrong.
template <class Read>
auto at_place(const std::string& place, const Read& read) {
  try {
    return read();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal || error.kind() == ErrorKind::io) throw;
    fail(error.kind(), place + ": " + error.what());
  }
}

class Reader {
 public:
  Reader(const engine::LoadedModel& model, const ReadProgress& progress)
      : model_(model), progress_(progress) {}

  void plan(const DataEntry& data) {
    std::error_code error;
    const fs::file_status status = fs::status(data.path, error);
    if (!fs::exists(status)) {
      const bool none = !error || error == std::errc::no_such_file_or_directory;
      fail(ErrorKind::io,
           data.path.string() + ": " + (none ? "no such file or folder" : error.message()));
    }
    if (data.kind != DataKind::text && fs::is_directory(status)) {
      fail(ErrorKind::format, data.path.string() + ": a folder; name the file of JSON lines");
    }
    engine::SourceList list =
        engine::list_sources({data.path.string()}, {.include = {"*.txt"}, .input_name = {}});
    if (list.sources.empty()) {
      fail(ErrorKind::format, data.path.string() + ": no *.txt file below this folder");
    }
    if (!list.problems.empty()) fail(ErrorKind::io, list.problems.front());
    for (const engine::Source& source : list.sources) total_ += source.bytes;
    plans_.emplace_back(data, std::move(list.sources));
  }

  std::vector<CorpusEntry> read() {
    std::vector<CorpusEntry> entries;
    for (auto& [data, sources] : plans_) {
      CorpusEntry& entry = entries.emplace_back();
      entry.data = data;
      for (const engine::Source& source : sources) {
        if (data.kind == DataKind::text) {
          read_file(source, entry.documents);
        } else {
          read_lines(source, data.kind, entry.documents);
        }
        report(0);
      }
      if (entry.documents.empty()) {
        const bool text = data.kind == DataKind::text;
        fail(ErrorKind::format, data.path.string() + (text ? ": empty, no file holds a text"
                                                           : ": empty, no line holds a document"));
      }
      for (const Document& document : entry.documents) entry.tokens += document.size();
    }
    warn_of_empty();
    return entries;
  }

 private:
  void warn_of_empty() const {
    if (empty_ == 0) return;
    log::warn(std::to_string(empty_) + (empty_ == 1 ? " empty text is" : " empty texts are") +
              " left out, the first at " + first_empty_);
  }

  /// Whether it is to be left out: nothing but white space. Errors: format.
  bool is_empty(const engine::TextCheck& check, const std::string& place) {
    if (!check.blank()) {
      check.finish();
      return false;
    }
    if (empty_++ == 0) first_empty_ = place;
    return true;
  }

  void read_file(const engine::Source& source, std::vector<Document>& documents) {
    at_place(source.name, [&] {
      engine::SourceFile file(source);
      engine::TextCheck check;
      std::vector<char> block(size_t{64} << 10);
      const engine::ReadBlock bytes = file.open();
      while (const size_t got = bytes(block.data(), block.size())) check.feed({block.data(), got});
      if (is_empty(check, source.name)) return;
      documents.push_back(read_text(file.open(), true));
      documents.back().name = source.name;
    });
  }

  void read_lines(const engine::Source& source, DataKind kind, std::vector<Document>& documents) {
    engine::SourceFile file = at_place(source.name, [&] { return engine::SourceFile(source); });
    engine::LineReader lines(file.open());
    for (std::string line; lines.next(line); report(lines.line_bytes())) {
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      const std::string place = source.name + ":" + std::to_string(lines.number());
      at_place(place, [&] {
        if (lines.too_long()) fail(ErrorKind::format, "the line is too long");
        if (kind == DataKind::dialogs) {
          documents.push_back(parse_dialog(line, model_));
        } else if (const std::string text = text_of_line(line); !is_empty(checked(text), place)) {
          documents.push_back(read_text(read_string(text), false));
        } else {
          return;
        }
        documents.back().name = place;
      });
    }
  }

  static engine::TextCheck checked(std::string_view text) {
    engine::TextCheck check;
    check.feed(text);
    return check;
  }

  /// Tokens as ingest makes them, piece by piece.
  Document read_text(engine::ReadBlock read, bool count_bytes) {
    Document document;
    if (model_.tokens->adds_bos() && !model_.settings.window_bos) {
      document.ids.push_back(model_.tokens->bos());
    }
    engine::PieceReader pieces(std::move(read));
    bool first = true;
    while (const std::optional<std::string> text = pieces.next()) {
      const auto ids = model_.tokens->encode(engine::unix_lines(*text), !first);
      document.ids.insert(document.ids.end(), ids.begin(), ids.end());
      first = false;
      if (count_bytes) report(static_cast<int64_t>(text->size()));
    }
    return document;
  }

  void report(int64_t bytes) {
    done_ += bytes;
    if (progress_) progress_(done_, total_);
  }

  const engine::LoadedModel& model_;
  const ReadProgress& progress_;
  std::vector<std::pair<DataEntry, std::vector<engine::Source>>> plans_;
  int64_t done_ = 0;
  int64_t total_ = 0;
  int64_t empty_ = 0;
  std::string first_empty_;
};

template <class Value>
void add(Sha256& hash, const std::vector<Value>& values) {
  const uint64_t size = values.size();
  hash.update(std::as_bytes(std::span(&size, 1)));
  hash.update(std::as_bytes(std::span(values)));
}

std::string hash_of(const std::vector<CorpusEntry>& entries) {
  Sha256 hash;
  for (const CorpusEntry& entry : entries) {
    for (const Document& document : entry.documents) {
      add(hash, document.ids);
      add(hash, document.kinds);
      add(hash, document.turns);
      std::vector<int64_t> bounds = {document.later};
      for (const ProbedAnswer& answer : document.answers) {
        bounds.insert(bounds.end(), {answer.begin, answer.end, answer.fact});
      }
      add(hash, bounds);
      for (const std::string& topic : document.topics) hash.update(topic + "\n");
    }
    hash.update("entry");
  }
  return to_hex(hash.finish());
}

}  // namespace

int64_t Corpus::tokens() const {
  int64_t total = 0;
  for (const CorpusEntry& entry : entries) total += entry.tokens;
  return total;
}

std::shared_ptr<const Corpus> read_corpus(const std::vector<DataEntry>& entries,
                                          const engine::LoadedModel& model,
                                          const ReadProgress& progress) {
  Reader reader(model, progress);
  for (const DataEntry& entry : entries) reader.plan(entry);
  auto corpus = std::make_shared<Corpus>();
  corpus->entries = reader.read();
  corpus->hash = hash_of(corpus->entries);
  return corpus;
}

}  // namespace memlong::train
