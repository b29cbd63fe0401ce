#include "tools/memlong-serve/arguments.h"

#include <sstream>

#include "common/error.h"
#include "common/file.h"

namespace memlong::serve_tool {

using tools::OptionSet;

namespace {

constexpr const char* kEpilog = R"(Examples:
  memlong-serve --model models/reference --bank my.bank
  curl http://127.0.0.1:8080/v1/chat/completions -H 'Content-Type: application/json' -d '{
    "session": "anna", "messages": [{"role": "user", "content": "My hat is in the oven."}]}'
  curl -T book.txt http://127.0.0.1:8080/v1/bank/documents/book

Clients of OpenAI's API find the model under http://HOST:PORT/v1. A request with "session" goes on
with the dialog of that name, which is kept in the bank; messages that the dialog holds already may
be sent again or left out. A request without one is remembered while the server runs and the dialog
stays open. Several requests are answered side by side (--parallel).
)";

void add_server(OptionSet& set, ServeArguments& a) {
  set.group("Server");
  set.add("host", &a.http.host, "address to listen on; 0.0.0.0 or :: for other machines too")
      .value("ADDRESS");
  set.add("port", &a.port, "port to listen on; 0: a free one").range(0, 65535);
  set.add("api-key", &a.api_keys, "key that clients must send (may be repeated)")
      .value("KEY")
      .verbatim();
  set.add("api-key-file", &a.api_key_file, "file of such keys, one a line")
      .value("FILE")
      .existing();
  set.add("cors-origin", &a.guard.origins,
          "web pages of this origin may ask, as https://a.example; *: all (may be repeated)")
      .value("ORIGIN");
  set.add("allowed-host", &a.guard.hosts,
          "further name under which clients reach a server without keys on a loopback address")
      .value("NAME");
  set.add("alias", &a.alias, "the model's name for clients")
      .value("NAME")
      .default_text("that of its folder");
  set.add("open-dialogs", &a.open_dialogs, "so many dialogs stay open between requests")
      .range(1, 10'000);
  set.add("parallel", &a.parallel,
          "so many answers are made side by side; no more than --open-dialogs")
      .range(1, 10'000);
  set.add("queue", &a.queue, "so many requests may wait for the model").range(1, 100'000);
  set.add("unnamed-tokens", &a.unnamed_tokens,
          "most tokens of a dialog without a name, whose keys and values stay in main memory")
      .range(1, 1e12);
  set.add("max-body", &a.http.max_body, "most bytes of a request").size().range(1, 1e12);
  set.add("max-connections", &a.http.max_connections, "so many clients at once").range(1, 60'000);
}

void add_memory(OptionSet& set, ServeArguments& a) {
  set.group("Memory");
  set.add("bank", &a.bank, "folder of the bank; made when it is not there").value("DIR");
  tools::add_scope_options(set, a);
  tools::add_reading_options(set, a);
  set.add("save", &a.save, "--no-save: the bank is read, and nothing is kept in it");
  tools::add_bank_options(set, a);
}

void read_keys(ServeArguments& a) {
  a.guard.keys = a.api_keys;
  if (a.api_key_file.empty()) return;
  std::istringstream lines(read_file(a.api_key_file));
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos || line[first] == '#') continue;
    a.guard.keys.push_back(line.substr(first, line.find_last_not_of(" \t\r") - first + 1));
  }
  if (a.guard.keys.empty()) {
    fail(ErrorKind::usage, "--api-key-file " + a.api_key_file.string() + " holds no key");
  }
}

}  // namespace

bool parse_arguments(int argc, char** argv, ServeArguments& arguments) {
  OptionSet set("memlong-serve", "Serves a model that remembers over HTTP, as OpenAI's API.");
  tools::add_model_options(set, arguments.common);
  tools::add_packed_cache_option(set, arguments.common);
  add_server(set, arguments);
  add_memory(set, arguments);
  set.group("Answers");
  set.add("system", &arguments.system, "system prompt of dialogs that begin without one")
      .value("TEXT");
  tools::add_sampling_options(set, arguments);
  tools::add_memory_options(set, arguments.common, "memory-top-k");
  tools::add_output_options(set, arguments.common);
  set.epilog(kEpilog);
  if (!set.parse(argc, argv)) return false;
  tools::check_talk_options(set, arguments);
  tools::apply_output_options(arguments.common);
  tools::finish_talk_options(arguments);
  arguments.http.port = static_cast<uint16_t>(arguments.port);
  arguments.guard.loopback = http::is_loopback(arguments.http.host);
  read_keys(arguments);
  return true;
}

}  // namespace memlong::serve_tool
