#include "tools/memlong-chat/commands.h"

#include <charconv>
#include <functional>

#include "common/error.h"
#include "tools/common/output.h"
#include "tools/common/text.h"
#include "tools/memlong-chat/forget.h"
#include "tools/memlong-chat/report.h"

namespace memlong::tools {

namespace {

struct Request {
  Chat& chat;
  std::string rest;  ///< what stands behind the command's name
  const Confirm& confirm;
};

struct Command {
  std::string name;
  std::string arguments;
  std::string help;
  bool needs_session;
  std::function<bool(const Request&)> run;  ///< false: the talk is over
};

const std::vector<Command>& commands();

bool help(const Request& /*request*/) {
  Table table({"command", "what it does"});
  for (const Command& command : commands()) {
    table.row(
        {command.name + (command.arguments.empty() ? "" : " " + command.arguments), command.help});
  }
  print_out(
      table.text() +
      "A backslash at the end of a line goes on with the next one; // sends a line that begins "
      "with /.\nCtrl-C stops an answer, and quits on an empty line.\n");
  return true;
}

bool memory(const Request& request) {
  print_out(memory_report(request.chat));
  return true;
}

bool why(const Request& request) {
  const engine::Answer* answer = request.chat.last();
  if (answer == nullptr) {
    print_out("There is no answer yet.\n");
    return true;
  }
  const std::vector<engine::RetrievedChunk>& chunks = answer->retrieved;
  if (chunks.empty()) {
    print_out("The last answer read nothing from memory.\n");
    return true;
  }
  if (request.rest.empty()) {
    print_out(chunk_table(request.chat, chunks) + "/why N shows the whole text of one of them.\n");
    return true;
  }
  size_t number = 0;
  const char* end = request.rest.data() + request.rest.size();
  const auto [stop, error] = std::from_chars(request.rest.data(), end, number);
  if (error != std::errc() || stop != end || number < 1 || number > chunks.size()) {
    fail(ErrorKind::usage, "/why takes a number from 1 to " + std::to_string(chunks.size()));
  }
  const engine::RetrievedChunk& chunk = chunks[number - 1];
  print_out(chunk_table(request.chat, {chunk}) +
            escape_terminal(request.chat.session().text_of(chunk), true) + "\n");
  return true;
}

bool search(const Request& request) {
  if (request.rest.empty()) fail(ErrorKind::usage, "/search needs a text to look for");
  const int64_t k = request.chat.model().settings.top_k;
  const auto found = request.chat.search(request.rest, k);
  print_out(found.empty() ? "Nothing was found.\n" : found_table(request.chat, found));
  return true;
}

bool forget(const Request& request) {
  print_out(forget_document(request.chat, request.rest, request.confirm) + "\n");
  return true;
}

bool save(const Request& request) {
  Chat& chat = request.chat;
  chat.session().save();
  if (!chat.options().keeps()) {
    print_out(
        "This dialog is not kept: start with --bank DIR --session NAME, without --no-save.\n");
    return true;
  }
  print_out("Kept: " + std::to_string(chat.session().turns().size()) + " turns, " +
            std::to_string(chat.session().tokens()) + " tokens, in " +
            chat.options().bank.string() + " as " + chat.options().session + ".\n");
  return true;
}

bool stats(const Request& request) {
  print_out(timing_block(request.chat.timing()) + banner(request.chat));
  return true;
}

bool reset(const Request& request) {
  print_out(start_anew(request.chat, request.rest) + "\n");
  return true;
}

const std::vector<Command>& commands() {
  static const std::vector<Command> list = {
      {"/help", "", "shows this", false, help},
      {"/memory", "", "what is in memory, and what is being read", true, memory},
      {"/why", "[N]", "which chunks the last answer read; N: the text of one", true, why},
      {"/search", "TEXT", "the chunks that are nearest to a text", true, search},
      {"/forget", "[ID|NAME]", "removes a document, or this dialog, from the bank", true, forget},
      {"/save", "", "keeps what is new (every answer does)", true, save},
      {"/stats", "", "times and sizes", false, stats},
      {"/reset", "[NAME]", "begins a new dialog; the old one stays in the bank", true, reset},
      {"/quit", "", "ends the talk", false, [](const Request&) { return false; }},
  };
  return list;
}

}  // namespace

bool run_command(Chat& chat, const std::string& line, const Confirm& confirm) {
  const size_t space = std::min(line.find_first_of(" \t"), line.size());
  const std::string name = line.substr(0, space);
  const size_t begin = std::min(line.find_first_not_of(" \t", space), line.size());
  const size_t end = line.find_last_not_of(" \t") + 1;
  for (const Command& command : commands()) {
    if (command.name != name) continue;
    if (command.needs_session && !chat.is_open()) {
      fail(ErrorKind::usage, name + ": say something first");
    }
    return command.run({chat, begin < end ? line.substr(begin, end - begin) : "", confirm});
  }
  fail(ErrorKind::usage, "there is no command " + name + "; /help shows them");
}

std::vector<std::string> command_words() {
  std::vector<std::string> words;
  for (const Command& command : commands()) words.push_back(command.name);
  return words;
}

}  // namespace memlong::tools
