// A query as what the bank's embedder makes of it.
#pragma once

#include <string>
#include <vector>

#include "tools/memlong-bank/bank_access.h"

namespace memlong::bank_tool {

/// Vectors [E], one or more (`pooled`: one for each chunk's length of the query). Errors: usage (no
/// model at hand), mismatch (another model).
std::vector<std::vector<float>> query_vectors(const membank::Bank& bank,
                                              const membank::Snapshot& snapshot,
                                              const tokenizer::Tokenizer& tokenizer,
                                              const BankArguments& arguments);

}  // namespace memlong::bank_tool
