#include <algorithm>

#include <nlohmann/json.hpp>

#include "common/clock.h"
#include "common/error.h"
#include "tokenizer/readable_text.h"
#include "tools/common/output.h"
#include "tools/common/run.h"
#include "tools/common/text.h"
#include "tools/memlong-bank/bank_access.h"

namespace memlong::bank_tool {
namespace {

using membank::ChunkInfo;
using membank::Document;
using membank::Snapshot;
using Json = nlohmann::ordered_json;

/// Documents whose name is a path that ends in '/' and the subject.
std::vector<Document> with_last_component(const Snapshot& snapshot,
                                          const BankArguments& arguments) {
  std::vector<Document> documents = select_documents(snapshot, arguments);
  std::erase_if(documents, [&](const Document& each) {
    return arguments.subject.empty() || !each.name.ends_with("/" + arguments.subject);
  });
  return documents;
}

Document find_document(const Snapshot& snapshot, const BankArguments& arguments) {
  if (const auto id = read_number(arguments.subject)) {
    if (const auto document = snapshot.document(*id)) return *document;
  }
  BankArguments named = arguments;
  named.name = arguments.subject;
  std::vector<Document> found = select_documents(snapshot, named);
  if (found.empty()) found = with_last_component(snapshot, arguments);
  if (found.size() == 1) return found[0];
  if (found.empty()) {
    fail(ErrorKind::usage, "the bank has no document '" + arguments.subject +
                               "' (memlong-bank list shows what it has)");
  }
  constexpr size_t kMostNamed = 8;
  std::string list;
  for (size_t i = 0; i < std::min(found.size(), kMostNamed); ++i) {
    list += (list.empty() ? "" : ", ") + std::to_string(found[i].id) + " (" + found[i].name_space +
            ": " + found[i].name + ")";
  }
  if (found.size() > kMostNamed) list += ", ...";
  fail(ErrorKind::usage, "several documents are named '" + arguments.subject + "': " + list +
                             "; give one of these numbers");
}

/// The text of a chunk, or its token ids where there is no tokenizer.
std::string chunk_text(const Snapshot& snapshot, const tokenizer::Tokenizer* tokenizer,
                       membank::ChunkId id) {
  const std::vector<int32_t> ids = snapshot.chunk_tokens(id);
  if (tokenizer != nullptr) return tokenizer::readable_text(*tokenizer, ids);
  std::string text;
  for (const int32_t each : ids) text += (text.empty() ? "" : " ") + std::to_string(each);
  return text;
}

Json chunk_json(const ChunkInfo& chunk) {
  return {{"chunk", chunk.id},
          {"document", chunk.document},
          {"position", chunk.begin},
          {"tokens", chunk.tokens},
          {"created", format_time(chunk.created)},
          {"hits", chunk.hits},
          {"last_hit", chunk.last_hit == 0 ? Json(nullptr) : Json(format_time(chunk.last_hit))}};
}

/// Of a chunk whose record is damaged the lists still say whose it is.
std::optional<ChunkInfo> find_chunk(const Snapshot& snapshot, uint64_t id) {
  try {
    return snapshot.chunk(id);
  } catch (const Error& error) {
    const auto owner = error.kind() == ErrorKind::corrupt ? snapshot.document_of(id) : std::nullopt;
    if (!owner) throw;
    fail(ErrorKind::corrupt,
         std::string(error.what()) + "; it is of document " + std::to_string(*owner));
  }
}

int show_chunk(const membank::Bank& bank, const Snapshot& snapshot, uint64_t id,
               const BankArguments& arguments) {
  const auto chunk = find_chunk(snapshot, id);
  if (!chunk) fail(ErrorKind::usage, "the bank has no chunk " + std::to_string(id));
  const auto tokenizer = arguments.text ? need_tokenizer(bank, snapshot, arguments)
                                        : find_tokenizer(bank, snapshot, arguments);
  const std::string text = chunk_text(snapshot, tokenizer.get(), id);
  const auto document = snapshot.document(chunk->document);
  const std::string name = document ? document->name : "";
  if (arguments.common.json) {
    Json json = chunk_json(*chunk);
    json["name"] = name;
    json["namespace"] = document ? document->name_space : "";
    json["ids"] = snapshot.chunk_tokens(id);
    if (tokenizer != nullptr) json["text"] = text;
    tools::print_json(json);
    return tools::kExitOk;
  }
  if (!arguments.text) {
    tools::print_out(tools::key_values(
        {{"chunk", std::to_string(id)},
         {"document", std::to_string(chunk->document) + "  " + tools::one_line(name, 80)},
         {"position", std::to_string(chunk->begin)},
         {"tokens", std::to_string(chunk->tokens)},
         {"created", format_time(chunk->created)},
         {"retrieved", counted(static_cast<int64_t>(chunk->hits), "time") +
                           (chunk->last_hit != 0 ? ", last " + format_time(chunk->last_hit) : "")},
         {tokenizer != nullptr ? "text" : "token ids", ""}}));
  }
  tools::print_out(tools::escape_terminal(text, true) + "\n");
  return tools::kExitOk;
}

void print_document_json(const Snapshot& snapshot, const tokenizer::Tokenizer* tokenizer,
                         const Document& document) {
  Json json = document_json(document);
  if (!document.settings.empty()) json["settings"] = document.settings;
  json["chunk_list"] = Json::array();
  for (const ChunkInfo& chunk : snapshot.document_chunks(document.id)) {
    Json each = chunk_json(chunk);
    if (tokenizer != nullptr) each["text"] = chunk_text(snapshot, tokenizer, chunk.id);
    json["chunk_list"].push_back(std::move(each));
  }
  if (document.kind == membank::DocumentKind::dialog) {
    json["turns"] = Json::array();
    for (const membank::Turn& turn : snapshot.turns(document.id)) {
      json["turns"].push_back({{"role", turn.role},
                               {"content", turn.content},
                               {"begin", turn.begin},
                               {"end", turn.end},
                               {"time", format_time(turn.time)}});
    }
  }
  json["text"] = snapshot.text(document.id);
  tools::print_json(json);
}

void print_document(const Snapshot& snapshot, const tokenizer::Tokenizer* tokenizer,
                    const Document& document) {
  using tools::group_digits;
  std::vector<std::pair<std::string, std::string>> rows = {
      {"document", std::to_string(document.id)},
      {"name", tools::escape_terminal(document.name)},
      {"namespace", tools::escape_terminal(document.name_space)},
      {"kind", kind_name(document.kind) +
                   (document.kind == membank::DocumentKind::text && !document.complete
                        ? ", not read to its end"
                        : "")},
      {"tokens", group_digits(document.tokens)},
      {"created", format_time(document.created)},
      {"updated", format_time(document.updated)}};
  if (document.kind == membank::DocumentKind::dialog) {
    rows.emplace_back("turns",
                      group_digits(static_cast<int64_t>(snapshot.turns(document.id).size())));
    rows.emplace_back("unfinished chunk",
                      counted(static_cast<int64_t>(document.tail.size()), "token"));
  }
  tools::print_out(tools::key_values(rows) + "\n");
  tools::Table table(
      {">chunk", ">position", ">tokens", ">hits", tokenizer != nullptr ? "text" : "token ids"});
  for (const ChunkInfo& chunk : snapshot.document_chunks(document.id)) {
    table.row({std::to_string(chunk.id), std::to_string(chunk.begin), std::to_string(chunk.tokens),
               std::to_string(chunk.hits),
               tools::one_line(chunk_text(snapshot, tokenizer, chunk.id), 60)});
  }
  tools::print_out(table.rows() > 0 ? table.text() : "no chunks\n");
}

}  // namespace

int run_show(const BankArguments& arguments) {
  const auto bank = open_bank(arguments.bank, membank::OpenMode::read);
  const auto snapshot = bank->snapshot();
  for (const std::string& prefix : {std::string("chunk:"), std::string("chunk ")}) {
    if (!arguments.subject.starts_with(prefix)) continue;
    const auto id = read_number(arguments.subject.substr(prefix.size()));
    if (!id) fail(ErrorKind::usage, "'" + arguments.subject + "' names no chunk");
    return show_chunk(*bank, *snapshot, *id, arguments);
  }
  const Document document = find_document(*snapshot, arguments);
  if (arguments.text && !arguments.common.json) {
    tools::print_out(tools::escape_terminal(snapshot->text(document.id), true) + "\n");
    return tools::kExitOk;
  }
  const auto tokenizer = find_tokenizer(*bank, *snapshot, arguments);
  if (arguments.common.json) {
    print_document_json(*snapshot, tokenizer.get(), document);
  } else {
    print_document(*snapshot, tokenizer.get(), document);
  }
  return tools::kExitOk;
}

}  // namespace memlong::bank_tool
