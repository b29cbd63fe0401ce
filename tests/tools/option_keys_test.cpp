// One TOML file for all tools: what belongs to another tool is passed over.
#include "tools/common/option_keys.h"

#include <sstream>

#include <gmock/gmock.h>

#include "tools/run_tool.h"

namespace memlong::tools_test {
namespace {

using testing::HasSubstr;

/// "top-k" of "top-k = 8  # --top-k" and of "# top-k =".
std::string key_of(std::string line) {
  if (line.starts_with("# ")) line.erase(0, 2);
  const size_t end = line.find(" =");
  const bool is_key = end != std::string::npos && line.find(' ') == end;
  return is_key ? line.substr(0, end) : "";
}

TEST(OptionKeys, AllToolsAreKnown) {
  size_t seen = 0;
  for (const char* name : {"bank", "bench", "chat", "eval", "ingest", "serve", "train"}) {
    const std::string tool = std::string("memlong-") + name;
    if (!tool_exists(tool)) continue;
    std::istringstream dumped(run_tool(tool, {"--dump-config"}).out);
    for (std::string line; std::getline(dumped, line);) {
      if (const std::string key = key_of(line); !key.empty()) {
        EXPECT_TRUE(tools::is_key_of_a_tool(key)) << key << " of " << tool;
        ++seen;
      }
    }
    std::istringstream help(run_tool(tool, {"--help"}).out);
    bool commands = false;
    for (std::string line; std::getline(help, line);) {
      if (line.empty() || line == "Commands:") {
        commands = line == "Commands:";
      } else if (commands && line[2] != ' ') {
        const std::string command = line.substr(2, line.find(' ', 2) - 2);
        EXPECT_TRUE(tools::is_command_of_a_tool(command)) << command << " of " << tool;
        ++seen;
      }
    }
  }
  EXPECT_GT(seen, 100U);
}

TEST(OptionKeys, KeysOfOtherToolsArePassedOver) {
  const TempFolder folder;
  const std::string file = folder.write(
      "all.toml", "bank = \"" + folder / "bank" +
                      "\"\nnamespace = \"books\"\nport = 8081\nmax_body = 5\n[ppl]\nlast = 9\n");
  const ToolResult chat = run_tool("memlong-chat", {"--config", file, "--dump-config"});
  EXPECT_EQ(chat.code, 0) << chat.err;
  EXPECT_THAT(chat.out, HasSubstr("namespace = \"books\""));
  EXPECT_THAT(chat.out, testing::Not(HasSubstr("port")));
  const ToolResult eval = run_tool("memlong-eval", {"ppl", "--config", file, "--dump-config"});
  EXPECT_EQ(eval.code, 0) << eval.err;
  EXPECT_THAT(eval.out, HasSubstr("last = 9"));
  const std::string wrong = folder.write("wrong.toml", "prot = 8081\n");
  const ToolResult refused = run_tool("memlong-chat", {"--config", wrong});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("unknown key 'prot'"));
}

}  // namespace
}  // namespace memlong::tools_test
