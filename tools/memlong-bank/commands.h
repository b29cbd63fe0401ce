// The commands of memlong-bank. Each returns the exit code and throws memlong::Error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tools/common/model_options.h"

namespace memlong::bank_tool {

struct BankArguments {
  tools::CommonOptions common;
  std::filesystem::path bank;
  std::vector<std::string> name_spaces;  ///< --namespace; empty: all
  std::string name;                      ///< --name
  std::string kind;                      ///< --kind: text, dialog, "": both
  int64_t limit = 0;                     ///< list; 0: all
  int64_t search_limit = 8;              ///< search; 0: all
  std::string subject;                   ///< what to show, what to search
  std::vector<std::string> ids;          ///< numbers of documents to forget
  bool text = false;                     ///< --text: the whole text and nothing else
  bool yes = false;                      ///< --yes
  bool dry_run = false;                  ///< --dry-run
  std::string policy = "memlong";
  int64_t budget_chunks = 0;
  int64_t budget_bytes = 0;
  std::filesystem::path out;   ///< export --out
  std::filesystem::path kv;    ///< export --kv
  std::filesystem::path from;  ///< import --from
};

int run_stats(const BankArguments& arguments);
int run_list(const BankArguments& arguments);
int run_show(const BankArguments& arguments);
int run_search(const BankArguments& arguments);
int run_verify(const BankArguments& arguments);
int run_forget(const BankArguments& arguments);
int run_prune(const BankArguments& arguments);
int run_compact(const BankArguments& arguments);
int run_export(const BankArguments& arguments);
int run_import(const BankArguments& arguments);

}  // namespace memlong::bank_tool
