// memlong-bank: looks into a bank and takes care of it.
#include <map>
#include <string>

#include "tools/common/run.h"
#include "tools/memlong-bank/commands.h"

namespace memlong::bank_tool {
namespace {

using tools::OptionSet;

void add_commands(OptionSet& options, BankArguments& a) {
  const auto spaces = [&a](OptionSet& set) {
    set.add("namespace", &a.name_spaces, "only these namespaces").value("NAME,...");
  };
  options.command("stats", "Counts, sizes, namespaces, and what the bank was made with.");

  OptionSet& list = options.command("list", "The documents and dialogs of the bank.");
  spaces(list);
  list.add("kind", &a.kind, "only these").choices({"text", "dialog"});
  list.add("limit", &a.limit, "at most so many; 0: all").range(0, 1e18);

  OptionSet& show = options.command("show", "One document, dialog or chunk.");
  show.positional("subject", &a.subject,
                  "a document's number or name, or 'chunk:NUMBER' for a chunk")
      .value("DOCUMENT|chunk:N")
      .required();
  spaces(show);
  show.add("text", &a.text, "its text and nothing else");

  OptionSet& search = options.command("search", "The chunks nearest to a query.");
  search.positional("query", &a.subject, "what to look for").value("QUERY").required();
  spaces(search);
  search.add("limit", &a.search_limit, "at most so many; 0: all").range(0, 1e6);

  options.command("verify", "Reads everything and names what is damaged (exit code 1).");

  OptionSet& forget =
      options.command("forget", "Removes documents with all that is stored of them.");
  forget.positional("documents", &a.ids, "numbers of documents").value("DOCUMENT...");
  forget.add("name", &a.name, "documents of this name");
  spaces(forget);
  const auto yes = [&a](OptionSet& set) {
    set.add("yes", &a.yes, "do not ask; needed where standard input is no terminal")
        .short_name('y');
  };
  yes(forget);
  forget.add("dry-run", &a.dry_run, "only say what would go");

  OptionSet& prune =
      options.command("prune", "Brings a bank that is over its budget down to half of the budget.");
  prune.add("policy", &a.policy, "what goes first").choices({"memlong", "fifo", "lru"});
  prune.add("budget-chunks", &a.budget_chunks, "chunks the bank may hold").range(0, 1e18);
  prune.add("budget-bytes", &a.budget_bytes, "bytes it may hold, as 1500000 or 2GiB")
      .size()
      .range(0, 1e18);
  yes(prune);
  prune.add("dry-run", &a.dry_run, "only say what would go");

  options.command("compact", "Rewrites the data file without its free space.");

  OptionSet& exporting = options.command(
      "export", "Documents as JSON lines, or, with --kv, whole with keys and values as a bank.");
  spaces(exporting);
  exporting.add("out", &a.out, "file to write").value("FILE").default_text("standard output");
  exporting.add("kv", &a.kv, "bank to copy into; made when it is not there").value("DIR");

  OptionSet& importing = options.command("import", "Copies the documents of another bank in.");
  importing.add("from", &a.from, "the other bank").value("DIR").required();
  spaces(importing);
}

int run(int argc, char** argv) {
  BankArguments arguments;
  OptionSet options("memlong-bank", "Looks into a bank of memory and takes care of it.");
  options.group("Bank");
  options.add("bank", &arguments.bank, "folder of the bank")
      .value("DIR")
      .short_name('b')
      .required();
  options
      .add("model", &arguments.common.model,
           "model folder, for the tokenizer and for vectors of queries")
      .value("DIR")
      .existing()
      .short_name('m')
      .default_text("the one the bank was made with");
  options
      .add("encoder", &arguments.common.encoder,
           "folder of the bank's sentence encoder, where it has one, for vectors of queries")
      .value("DIR")
      .existing()
      .default_text("the one the bank was made with");
  tools::add_output_options(options, arguments.common);
  add_commands(options, arguments);
  if (!options.parse(argc, argv)) return tools::kExitOk;
  tools::apply_output_options(arguments.common);

  using Command = int (*)(const BankArguments&);
  static const std::map<std::string, Command> kCommands = {
      {"stats", run_stats},   {"list", run_list},       {"show", run_show},
      {"search", run_search}, {"verify", run_verify},   {"forget", run_forget},
      {"prune", run_prune},   {"compact", run_compact}, {"export", run_export},
      {"import", run_import}};
  return kCommands.at(options.chosen())(arguments);
}

}  // namespace
}  // namespace memlong::bank_tool

int main(int argc, char** argv) {
  return memlong::tools::run_tool(argc, argv, memlong::bank_tool::run);
}
