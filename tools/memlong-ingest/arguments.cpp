#include "tools/memlong-ingest/arguments.h"

#include <algorithm>

#include "membank/retention.h"

namespace memlong::ingest_tool {
namespace {

constexpr double kMost = 1e18;

constexpr const char* kEpilog =
    "Sources\n"
    "  A text file goes in as one document, named by its path. A folder gives the files below it\n"
    "  that --include matches; hidden ones are skipped. *.jsonl and *.ndjson are JSON lines: each\n"
    "  line is a document {\"text\": ..., \"name\": ..., \"namespace\": ...}, of which only the "
    "text\n"
    "  must be there; a line with \"turns\" or \"messages\" (a list of {\"role\", \"content\"}) "
    "and no\n"
    "  text goes in as lines of \"role: content\". '-' is standard input. All text is UTF-8.\n"
    "\n"
    "  The same text is never read twice into a namespace, whatever its name. An ingest that was\n"
    "  stopped or killed goes on where it was when it is run again.\n"
    "\n"
    "Exit codes: 0 good, 1 a document or the run failed, 2 usage, 130 stopped by Ctrl-C (what was\n"
    "done is kept).\n"
    "\n"
    "Example\n"
    "  memlong-ingest --model models/reference --bank library --namespace books novels/\n";

void add_text_options(tools::OptionSet& options, IngestArguments& arguments) {
  options.group("Text");
  options.positional("paths", &arguments.paths, "files, folders, or '-' for standard input")
      .value("PATH...")
      .required();
  options.add("include", &arguments.sources.include, "shell patterns of the files in folders")
      .value("GLOB")
      .verbatim()
      .default_text("*.txt *.md *.markdown *.text");
  options.add("name", &arguments.sources.input_name, "name of the text from standard input")
      .value("NAME");
  options.add("jsonl", &arguments.sources.json_lines_input, "standard input holds JSON lines");
  options.add("jsonl-field", &arguments.ingest.fields.text, "field of a JSON line with the text")
      .value("FIELD");
  options.add("jsonl-name", &arguments.ingest.fields.name, "field of a JSON line with its name")
      .value("FIELD");
  options.add("dry-run", &arguments.dry_run, "only list what would be read");
}

void add_bank_options(tools::OptionSet& options, IngestArguments& arguments) {
  engine::IngestOptions& ingest = arguments.ingest;
  options.group("Bank");
  options.add("bank", &arguments.bank, "folder of the bank; made when it is not there")
      .value("DIR")
      .short_name('b')
      .required();
  options.add("namespace", &ingest.name_space, "where the documents belong").value("NAME");
  options.add("replace", &ingest.replace,
              "forget documents of the same name and other content, once the new ones are in");
  options.add("kv-dtype", &arguments.kv_dtype, "how a new bank stores keys and values")
      .choices({"bf16", "f16", "f32"});
  options.add("retain", &arguments.retain, "what goes when the bank passes its budget")
      .choices({"none", "memlong", "fifo", "lru"});
  options.add("budget-chunks", &ingest.retention.chunks, "chunks the bank may hold; 0: any")
      .range(0, kMost);
  options
      .add("budget-bytes", &ingest.retention.bytes,
           "bytes its chunks may take, as 1500000 or 2GiB; 0: any")
      .size()
      .range(0, kMost);
  options.add("commit-chunks", &ingest.commit_chunks, "commit after so many chunks")
      .range(1, kMost);
  options.add("commit-bytes", &ingest.commit_bytes, "commit after so many bytes, as 64MiB")
      .size()
      .range(1, kMost);
  options.add("commit-seconds", &ingest.commit_seconds, "commit after so many seconds")
      .range(0, 1e6);
}

}  // namespace

void add_options(tools::OptionSet& options, IngestArguments& arguments) {
  add_text_options(options, arguments);
  add_bank_options(options, arguments);
  tools::add_model_options(options, arguments.common);
  tools::add_packed_cache_option(options, arguments.common);
  options
      .add("windows", &arguments.windows,
           "windows that are read at once; more need more memory of the device")
      .range(1, 4096)
      .default_text("1; on a GPU as many as keep it busy and fit");
  tools::add_memory_options(options, arguments.common);
  tools::add_output_options(options, arguments.common);
  options.epilog(kEpilog);
}

void finish_arguments(const tools::OptionSet& options, IngestArguments& arguments) {
  engine::IngestOptions& ingest = arguments.ingest;
  if (arguments.paths.empty()) options.fail_usage("nothing to read: name files or folders");
  const bool input =
      std::find(arguments.paths.begin(), arguments.paths.end(), "-") != arguments.paths.end();
  for (const char* option : {"name", "jsonl"}) {
    if (!input && options.given(option)) {
      options.fail_usage("--" + std::string(option) +
                         " is about standard input: it needs '-' among the paths");
    }
  }
  if (ingest.name_space.empty()) options.fail_usage("--namespace must not be empty");
  ingest.row_name_spaces = !options.given("namespace");
  ingest.retention.policy = membank::parse_retention(arguments.retain);
  const bool budget = ingest.retention.chunks > 0 || ingest.retention.bytes > 0;
  if (budget != (ingest.retention.policy != membank::RetentionPolicy::none)) {
    options.fail_usage(budget ? "a budget needs --retain memlong, fifo or lru"
                              : "--retain needs --budget-chunks or --budget-bytes");
  }
}

}  // namespace memlong::ingest_tool
