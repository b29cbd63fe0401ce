// Where tests find what they read and run. paths.cpp alone knows where the tree is, so that all
// else compiles to the same in every copy of it.
#pragma once

#include <string>

namespace memlong::test {

/// The root of the source tree.
std::string source_dir();

/// tests/data.
std::string data_dir();

/// The folder of the programs.
std::string bin_dir();

}  // namespace memlong::test
