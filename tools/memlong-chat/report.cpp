#include "tools/memlong-chat/report.h"

#include <algorithm>
#include <cstdio>
#include <sys/ioctl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "common/clock.h"
#include "tokenizer/readable_text.h"
#include "tools/common/device_option.h"
#include "tools/common/open_bank.h"
#include "tools/common/text.h"

namespace memlong::tools {

namespace {

/// Columns that are left for a text beside `used` ones.
size_t snippet_width(size_t used) {
  winsize size{};
  const bool terminal = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  const size_t columns = terminal ? size.ws_col : 120;
  constexpr size_t kLeast = 24;
  return columns > used + kLeast ? columns - used : kLeast;
}

constexpr size_t kNameWidth = 24;

size_t name_width(const Chat& chat, membank::DocumentId id) {
  return std::min(display_width(chat.document_name(id)), kNameWidth);
}

std::string count(int64_t n, const std::string& unit) {
  return group_digits(n) + " " + unit + (n == 1 ? "" : "s");
}

std::string session_line(const Chat& chat) {
  const ChatOptions& options = chat.options();
  std::string line = options.session.empty() ? "not kept" : options.session;
  if (!options.session.empty() && !options.save) line += " (--no-save: nothing new is kept)";
  if (!chat.is_open()) return line;
  const engine::Session& session = chat.session();
  if (!session.resumed()) return options.session.empty() ? line : line + ", new";
  return line + ", resumed: " + count(session.tokens(), "token") + " in " +
         count(static_cast<int64_t>(session.turns().size()), "turn");
}

std::string bank_line(const Chat& chat) {
  if (chat.memory() == nullptr) return "none (the memory lasts as long as this process)";
  const membank::BankStats stats = chat.memory()->bank().snapshot()->stats();
  return chat.memory()->bank().folder().string() + ": " + count(stats.documents, "document") +
         ", " + count(stats.chunks, "chunk") + ", " + count(stats.tokens, "token");
}

std::string chunk_time(const Chat& chat, membank::ChunkId id) {
  const membank::ChunkInfo* info = chat.memory() == nullptr ? nullptr : chat.memory()->info(id);
  return info == nullptr ? "-" : format_time(info->created);
}

std::string timing_line(const char* name, double seconds, int64_t tokens) {
  char line[160];
  const double each = tokens > 0 ? seconds * 1e3 / static_cast<double>(tokens) : 0;
  const double rate = seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
  std::snprintf(line, sizeof(line),
                "%16s = %10.2f ms / %6lld tokens (%8.2f ms per token, %8.2f tokens per second)\n",
                name, seconds * 1e3, static_cast<long long>(tokens), each, rate);
  return line;
}

}  // namespace

std::string banner(const Chat& chat) {
  const engine::LoadedModel& model = chat.model();
  const CommonOptions& common = chat.options().common;
  return key_values(
      {{"model", model.folder.string() + " (" + std::string(dtype_name(compute_dtype(common))) +
                     ", " + model.chat->name() + ")"},
       {"adapter", model.adapter.empty() ? "none" : model.adapter.string()},
       {"device", choose_device(common.device).name},
       {"bank", bank_line(chat)},
       {"session", session_line(chat)},
       {"reads", chat.memory() == nullptr && chat.options().memory
                     ? "its own dialog"
                     : describe_scope(chat.options(), chat.scope())}});
}

std::string timing_block(const Timing& timing) {
  char load[80];
  std::snprintf(load, sizeof(load), "%16s = %10.2f ms\n", "load time", timing.load_seconds * 1e3);
  return load + timing_line("prompt eval time", timing.prompt_seconds, timing.prompt_tokens) +
         timing_line("eval time", timing.seconds, timing.tokens);
}

std::string chunk_table(const Chat& chat, const std::vector<engine::RetrievedChunk>& chunks) {
  Table table({">#", "document", ">position", "time", ">score", ">attention", "text"});
  size_t names = 8;
  for (const auto& chunk : chunks) names = std::max(names, name_width(chat, chunk.document));
  const size_t width = snippet_width(names + 56);
  for (const engine::RetrievedChunk& chunk : chunks) {
    table.row({std::to_string(table.rows() + 1),
               one_line(chat.document_name(chunk.document), kNameWidth),
               std::to_string(chunk.begin), chunk_time(chat, chunk.id), fixed(chunk.score, 3),
               percent(chunk.attention), one_line(chat.session().text_of(chunk), width)});
  }
  return table.text();
}

std::string found_table(const Chat& chat, const std::vector<engine::FoundChunk>& found) {
  Table table({">chunk", "document", ">position", "time", ">score", "text"});
  const auto snapshot = chat.memory()->bank().snapshot();
  size_t names = 8;
  for (const auto& hit : found) names = std::max(names, name_width(chat, hit.info.document));
  const size_t width = snippet_width(names + 50);
  for (const engine::FoundChunk& hit : found) {
    const std::string text =
        tokenizer::readable_text(*chat.model().tokens, snapshot->chunk_tokens(hit.info.id));
    table.row({std::to_string(hit.info.id),
               one_line(chat.document_name(hit.info.document), kNameWidth),
               std::to_string(hit.info.begin), format_time(hit.info.created), fixed(hit.score, 3),
               one_line(text, width)});
  }
  return table.text();
}

std::string memory_report(Chat& chat) {
  const engine::Session& session = chat.session();
  const ChatOptions& options = chat.options();
  const int64_t tau = chat.model().settings.chunk;
  const int64_t in_window = session.tokens() - session.stream().window_start();
  std::vector<std::pair<std::string, std::string>> rows = {
      {"dialog", count(session.tokens(), "token") + " in " +
                     count(static_cast<int64_t>(session.turns().size()), "turn") + ", " +
                     count(session.stream().completed() / tau, "whole chunk")},
      {"window", std::to_string(in_window) + " of " +
                     count(chat.model().window_capacity(), "token") + ", from token " +
                     std::to_string(session.stream().window_start())},
      {"bank", bank_line(chat)},
      {"reads", chat.memory() == nullptr && options.memory
                    ? "its own dialog"
                    : describe_scope(options, chat.scope())}};
  if (chat.memory() != nullptr) {
    const membank::BankStats stats = chat.memory()->bank().snapshot()->stats();
    rows.emplace_back("on disk", human_bytes(static_cast<double>(stats.bytes)));
    rows.emplace_back("session", session_line(chat));
  }
  if (options.retain != "none") rows.emplace_back("retention", options.retain);
  const std::vector<engine::RetrievedChunk> reading = session.reading();
  std::string text = key_values(rows);
  if (reading.empty()) return text + "Nothing is being read from memory now.\n";
  return text + "Being read now:\n" + chunk_table(chat, reading);
}

std::string reason_name(engine::StopReason reason) {
  switch (reason) {
    case engine::StopReason::end:
      return "end";
    case engine::StopReason::length:
      return "length";
    case engine::StopReason::stop_text:
      return "stop_text";
    case engine::StopReason::interrupted:
      return "interrupted";
  }
  return "end";
}

nlohmann::ordered_json answer_json(const Chat& chat, const engine::Answer& answer) {
  nlohmann::ordered_json result;
  result["text"] = answer.text;
  result["prompt_tokens"] = answer.prompt_tokens;
  result["prompt_seconds"] = answer.prompt_seconds;
  result["tokens"] = answer.ids.size();
  result["seconds"] = answer.seconds;
  result["reason"] = reason_name(answer.reason);
  result["session"] = chat.options().session;
  result["session_tokens"] = chat.session().tokens();
  result["session_turns"] = chat.session().turns().size();
  result["retrieved"] = nlohmann::ordered_json::array();
  for (const engine::RetrievedChunk& chunk : answer.retrieved) {
    nlohmann::ordered_json row;
    row["chunk"] = chunk.id;
    row["document"] = chunk.document;
    row["name"] = chat.document_name(chunk.document);
    row["position"] = chunk.begin;
    row["tokens"] = chunk.tokens;
    row["time"] = chunk_time(chat, chunk.id);
    row["score"] = chunk.score;
    row["attention"] = chunk.attention;
    row["text"] = chat.session().text_of(chunk);
    result["retrieved"].push_back(std::move(row));
  }
  return result;
}

}  // namespace memlong::tools
