// A query as the vector that the bank's embedder makes of it.
#pragma once

#include <string>
#include <vector>

#include "tools/memlong-bank/bank_access.h"

namespace memlong::bank_tool {

/// [E]. Errors: usage (no model at hand), mismatch (another model).
std::vector<float> query_vector(const membank::Bank& bank, const membank::Snapshot& snapshot,
                                const tokenizer::Tokenizer& tokenizer,
                                const BankArguments& arguments);

}  // namespace memlong::bank_tool
