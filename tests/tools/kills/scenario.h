// What is interrupted: one command that changes a bank.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "membank/bank.h"
#include "support/temp_folder.h"

namespace memlong::kills {

using Path = std::filesystem::path;
using Words = std::vector<std::string>;

/// The bank, for reading; null where there is none (yet).
std::unique_ptr<membank::Bank> open_bank(const Path& folder);

/// Replaces `to` by a copy of `from`.
void copy_folder(const Path& from, const Path& to);

class Scenario {
 public:
  /// `weight`: kills of every twenty. `before`: the bank the command works on, "" for none.
  Scenario(std::string name, int weight, Path before);
  virtual ~Scenario() = default;
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] int weight() const { return weight_; }
  [[nodiscard]] bool from_nothing() const { return before_.empty(); }

  /// Puts `bank` back to where the command has done nothing.
  virtual void begin(const Path& bank);
  [[nodiscard]] virtual std::string tool() const { return "memlong-bank"; }
  /// The command that does all of it, or what is left.
  [[nodiscard]] virtual Words words(const Path& bank) const = 0;
  /// Its standard input.
  [[nodiscard]] virtual std::string input() const { return {}; }
  /// A number that the command moves with every commit (chunks and documents); 0 without a bank.
  [[nodiscard]] virtual int64_t progress(const Path& bank) const;
  /// Looks at what a run left, which printed `output`. What it lost of what it had promised to
  /// keep, "" for nothing.
  virtual std::string look(const Path& bank, const Path& whole, const std::string& output);
  /// The first difference between the bank and the one that was made in one go, "" for none.
  [[nodiscard]] virtual std::string difference(const Path& whole, const Path& bank) const;

 private:
  std::string name_;
  int weight_;
  Path before_;
};

/// The text that the bank of all other scenarios is made of, below `folder`; what to ingest.
Words write_corpus(const test::TempFolder& folder);

std::unique_ptr<Scenario> reading(const Words& corpus);
std::unique_ptr<Scenario> talking();
/// prune, compact, forget and import, with a bank that ingest made.
std::vector<std::unique_ptr<Scenario>> upkeep(const Path& library);

}  // namespace memlong::kills
