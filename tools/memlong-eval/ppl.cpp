// memlong-eval ppl: the same last tokens, with more and more text before them.
#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/file.h"
#include "common/log.h"
#include "engine/ingest_text.h"
#include "tools/common/open_model.h"
#include "tools/common/output.h"
#include "tools/common/progress.h"
#include "tools/common/signals.h"
#include "tools/common/text.h"
#include "tools/memlong-eval/arguments.h"
#include "tools/memlong-eval/scores.h"
#include "tools/memlong-eval/text_memory.h"

namespace memlong::eval_tool {
namespace {

constexpr int64_t kAll = 0;  // --lengths all: the whole text before

/// Errors: io; format, naming the byte, for what is no text.
std::string read_text(const std::filesystem::path& path) {
  std::string text = read_file(path);
  try {
    engine::TextCheck check;
    check.feed(text);
    check.finish();
  } catch (const Error& error) {
    fail(error.kind(), path.string() + ": " + error.what());
  }
  return text;
}

struct Row {
  double nats = 0.0;
  int64_t tokens = 0;
  int64_t windows = 0;
  std::map<std::string, std::pair<double, int64_t>> by_text;  ///< nats, tokens
};

/// Rows by length and memory mode, in the order in which they were asked for.
using Rows = std::map<std::pair<size_t, size_t>, Row>;

Choice choice_of(const std::string& mode) {
  if (mode == "random") return Choice::random;
  return mode == "all" ? Choice::all : Choice::nearest;
}

class Measurement {
 public:
  Measurement(const Arguments& arguments, Context& context,
              std::shared_ptr<const engine::LoadedModel> model, std::vector<int64_t> lengths)
      : arguments_(arguments),
        context_(context),
        model_(std::move(model)),
        embedder_(text_embedder(context, *model_)),
        lengths_(std::move(lengths)) {}

  void read(const std::filesystem::path& path) {
    const std::string text = read_text(path);
    std::vector<int32_t> ids = model_->tokens->encode(text);
    if (model_->tokens->adds_bos() && !model_->settings.window_bos) {
      ids.insert(ids.begin(), model_->tokens->bos());
    }
    const std::shared_ptr<const retriever::Embedder>& embedder = embedder_.embedder;
    tools::Progress progress("encode " + path.filename().string(), "tokens",
                             static_cast<int64_t>(ids.size()), style());
    const auto chunks = encode_text(context_, model_, embedder, ids, [&](int64_t tokens) {
      progress.update(tokens);
      tools::throw_if_stopped();
    });
    progress.finish();
    TextMemory memory(context_, model_, chunks);
    for (const int64_t end : places(static_cast<int64_t>(ids.size()), path)) {
      measure_place(ids, end, embedder, memory, path.string());
    }
  }

  [[nodiscard]] const Rows& rows() const { return rows_; }
  [[nodiscard]] const std::string& embedder_source() const { return embedder_.source; }
  [[nodiscard]] const std::vector<int64_t>& lengths() const { return lengths_; }

 private:
  [[nodiscard]] tools::ProgressStyle style() const {
    return arguments_.common.quiet ? tools::ProgressStyle::none : tools::ProgressStyle::automatic;
  }

  /// Where the scored tokens end: chunk boundaries, as far apart as the text allows.
  std::vector<int64_t> places(int64_t size, const std::filesystem::path& path) const {
    const int64_t tau = model_->settings.chunk;
    const int64_t longest =
        std::max(*std::max_element(lengths_.begin(), lengths_.end()), model_->window_capacity());
    const int64_t first = (longest + tau - 1) / tau * tau;
    const int64_t last = size / tau * tau;
    if (last < first) {
      log::warn(path.string() + " has " + std::to_string(size) + " tokens; a context of " +
                std::to_string(longest) + " does not fit: left out");
      return {};
    }
    std::vector<int64_t> ends;
    const int64_t count = std::min(arguments_.places, (last - first) / tau + 1);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t step = count == 1 ? 0 : (last - first) / (count - 1);
      ends.push_back((first + i * step) / tau * tau);
    }
    return ends;
  }

  void measure_place(const std::vector<int32_t>& ids, int64_t end,
                     const std::shared_ptr<const retriever::Embedder>& embedder, TextMemory& memory,
                     const std::string& text) {
    std::map<std::tuple<int64_t, bool>, double> without;  // window length -> nats without memory
    for (size_t l = 0; l < lengths_.size(); ++l) {
      const int64_t length = lengths_[l] == kAll ? end : lengths_[l];
      const int64_t window = std::min(length, model_->window_capacity());
      for (size_t m = 0; m < arguments_.memory.size(); ++m) {
        tools::throw_if_stopped();
        const bool off = arguments_.memory[m] == "off" || length <= window;
        const std::tuple<int64_t, bool> key{window, off};
        double nats = 0.0;
        if (off && without.contains(key)) {
          nats = without.at(key);
        } else {
          memory.limit(end - length);
          memory.choose(choice_of(arguments_.memory[m]),
                        arguments_.seed + static_cast<uint64_t>(end));
          nats = score(ids, end, length, !off, embedder, memory);
          if (off) without[key] = nats;
        }
        const int64_t scored = std::min(arguments_.last, window - 1);
        Row& row = rows_[{l, m}];
        row.nats += nats;
        row.tokens += scored;
        ++row.windows;
        row.by_text[text].first += nats;
        row.by_text[text].second += scored;
      }
    }
  }

  /// Nats of the last tokens before `end`, in a window that ends there; nothing is read of what
  /// lies more than `length` tokens before (the first chunks were written in windows that saw
  /// more).
  double score(const std::vector<int32_t>& ids, int64_t end, int64_t length, bool use_memory,
               const std::shared_ptr<const retriever::Embedder>& embedder, TextMemory& memory) {
    const int64_t window = std::min(length, model_->window_capacity());
    const int64_t scored = std::min(arguments_.last, window - 1);
    const int64_t from = end - scored - 1;  // the first token whose successor is scored
    engine::Stream stream(context_, model_, embedder, memory,
                          {.use_memory = use_memory,
                           .self_query = arguments_.query == "self",
                           .first_window = end - window,
                           .asks_from = end - length});
    const auto place = [&ids](int64_t at) { return ids.begin() + at; };
    stream.restore({place(0), place(from)}, {}, end);
    const std::vector<int32_t> last(place(from), place(end - 1));
    const std::vector<int32_t> wanted(place(from + 1), place(end));
    stream.read(last, engine::Want::all);
    return -log_probability(stream.logits(), wanted);
  }

  const Arguments& arguments_;
  Context& context_;
  std::shared_ptr<const engine::LoadedModel> model_;
  TextEmbedder embedder_;
  std::vector<int64_t> lengths_;
  Rows rows_;
};

std::vector<int64_t> parse_lengths(const Arguments& arguments) {
  std::vector<int64_t> lengths;
  for (const std::string& word : arguments.lengths) {
    const bool number = !word.empty() && word.size() < 16 &&
                        word.find_first_not_of("0123456789") == std::string::npos;
    if (word != "all" && (!number || std::stoll(word) < 2)) {
      fail(ErrorKind::usage, "--lengths: '" + word + "' is neither a number of tokens nor 'all'");
    }
    lengths.push_back(word == "all" ? kAll : std::stoll(word));
  }
  return lengths;
}

double mean_nats(const std::pair<double, int64_t>& text) {
  return text.first / static_cast<double>(text.second);
}

/// Mean over texts of what a row gains over the row without memory, and the standard error of that
/// mean: texts differ far more from each other than memory makes a difference, so they are paired.
/// One text has no spread: its error is NaN.
std::pair<double, double> paired_gain(const Row& off, const Row& row) {
  double sum = 0.0;
  double squares = 0.0;
  for (const auto& [text, value] : row.by_text) {
    const double gain = mean_nats(off.by_text.at(text)) - mean_nats(value);
    sum += gain;
    squares += gain * gain;
  }
  const auto count = static_cast<double>(row.by_text.size());
  if (count < 2) return {sum / count, std::nan("")};
  const double variance = std::max(0.0, (squares - sum * sum / count) / (count - 1));
  return {sum / count, std::sqrt(variance / count)};
}

nlohmann::ordered_json to_json(const Arguments& arguments, const Measurement& measurement) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const auto& [key, row] : measurement.rows()) {
    const double nats = row.nats / static_cast<double>(row.tokens);
    nlohmann::ordered_json context = measurement.lengths()[key.first];
    if (measurement.lengths()[key.first] == kAll) context = "all";
    rows.push_back({{"context", context},
                    {"memory", arguments.memory[key.second]},
                    {"query", arguments.query},
                    {"ppl", std::exp(nats)},
                    {"nats", nats},
                    {"tokens", row.tokens},
                    {"windows", row.windows}});
    const auto off = std::find(arguments.memory.begin(), arguments.memory.end(), "off");
    if (off == arguments.memory.end()) continue;
    const auto without = static_cast<size_t>(off - arguments.memory.begin());
    const auto [gain, error] = paired_gain(measurement.rows().at({key.first, without}), row);
    rows.back()["gain"] = gain;
    rows.back()["gain_error"] = nullptr;
    if (std::isfinite(error)) rows.back()["gain_error"] = error;
  }
  return rows;
}

}  // namespace

int run_ppl(const Arguments& arguments) {
  for (const std::string& mode : arguments.memory) {
    if (mode != "on" && mode != "off" && mode != "random" && mode != "all") {
      fail(ErrorKind::usage, "--memory: '" + mode + "' is none of on, off, random, all");
    }
  }
  const std::vector<int64_t> lengths = parse_lengths(arguments);
  Context context(tools::context_options(arguments.common));
  Measurement measurement(arguments, context,
                          tools::open_model(context, arguments.common, false, true), lengths);
  if (arguments.query == "self") {
    log::warn(
        "--query self: the text that is scored chooses its own memory, so the figures see the "
        "future; they are no measure of the model");
  }
  for (const std::filesystem::path& path : arguments.texts) measurement.read(path);
  if (measurement.rows().empty()) fail(ErrorKind::usage, "no text is long enough for --lengths");
  const nlohmann::ordered_json rows = to_json(arguments, measurement);
  if (arguments.common.json) {
    tools::print_json({{"rows", rows}, {"embedder", measurement.embedder_source()}});
    return 0;
  }
  tools::Table table({">context", "memory", "query", ">ppl", ">nats/token", ">gain over off", ">+-",
                      ">tokens", ">windows"});
  const auto cell = [](const nlohmann::ordered_json& row, const char* key) {
    return row.contains(key) && row[key].is_number() ? tools::fixed(row[key], 4) : std::string("-");
  };
  for (const auto& row : rows) {
    table.row({row["context"].is_string() ? "all" : std::to_string(row["context"].get<int64_t>()),
               row["memory"], row["query"], tools::fixed(row["ppl"], 3),
               tools::fixed(row["nats"], 4), cell(row, "gain"), cell(row, "gain_error"),
               std::to_string(row["tokens"].get<int64_t>()),
               std::to_string(row["windows"].get<int64_t>())});
  }
  tools::print_out(table.text());
  return 0;
}

}  // namespace memlong::eval_tool
