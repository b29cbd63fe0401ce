#include "support/paths.h"

#include <string>

namespace memlong::test {

std::string source_dir() { return MEMLONG_SOURCE_DIR; }

std::string data_dir() { return source_dir() + "/tests/data"; }

std::string bin_dir() { return MEMLONG_BIN_DIR; }

}  // namespace memlong::test
