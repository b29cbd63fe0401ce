#include "tools/common/option_keys.h"

#include <algorithm>
#include <array>

namespace memlong::tools {
namespace {

// Sorted. tests/tools/option_keys_test.cpp compares both lists with what the tools have.
constexpr auto kKeys = std::to_array<std::string_view>({"adapter",
                                                        "alias",
                                                        "allowed-host",
                                                        "api-key",
                                                        "api-key-file",
                                                        "bank",
                                                        "bank-mib",
                                                        "budget-bytes",
                                                        "budget-chunks",
                                                        "cached-chunks",
                                                        "chat-template",
                                                        "chunk",
                                                        "commit-bytes",
                                                        "commit-chunks",
                                                        "commit-seconds",
                                                        "cors-origin",
                                                        "depth",
                                                        "device",
                                                        "dialog",
                                                        "document",
                                                        "dry-run",
                                                        "dtype",
                                                        "embedder",
                                                        "encoder",
                                                        "folder",
                                                        "frequency-penalty",
                                                        "gather-mib",
                                                        "generate",
                                                        "greedy",
                                                        "history",
                                                        "hnsw-vectors",
                                                        "host",
                                                        "include",
                                                        "index",
                                                        "index-device",
                                                        "index-half",
                                                        "index-memory",
                                                        "ingest",
                                                        "interactive",
                                                        "json",
                                                        "jsonl",
                                                        "jsonl-field",
                                                        "jsonl-name",
                                                        "kv-dtype",
                                                        "matmul-side",
                                                        "max-body",
                                                        "max-connections",
                                                        "max-gpu-memory",
                                                        "memory",
                                                        "memory-layer",
                                                        "memory-top-k",
                                                        "message",
                                                        "min-p",
                                                        "model",
                                                        "name",
                                                        "namespace",
                                                        "neighbours",
                                                        "open-dialogs",
                                                        "output",
                                                        "overlap",
                                                        "packed-cache",
                                                        "parallel",
                                                        "paths",
                                                        "port",
                                                        "predict",
                                                        "presence-penalty",
                                                        "prompt",
                                                        "query-chunks",
                                                        "queue",
                                                        "quiet",
                                                        "read",
                                                        "read-all",
                                                        "reading-layers",
                                                        "recency",
                                                        "recent-chunks",
                                                        "repeat",
                                                        "repeat-last-n",
                                                        "repeat-penalty",
                                                        "replace",
                                                        "retain",
                                                        "save",
                                                        "seed",
                                                        "session",
                                                        "shape",
                                                        "stop",
                                                        "streams",
                                                        "system",
                                                        "temp",
                                                        "tests",
                                                        "threads",
                                                        "top-k",
                                                        "top-n-sigma",
                                                        "top-p",
                                                        "train-rows",
                                                        "typical-p",
                                                        "unnamed-tokens",
                                                        "vectors",
                                                        "verbose",
                                                        "window",
                                                        "window-bos",
                                                        "windows"});

constexpr auto kCommands = std::to_array<std::string_view>(
    {"compact", "export", "forget", "import", "list", "logits", "merge", "plot", "ppl", "prune",
     "recall", "run", "search", "show", "sif", "stats", "verify"});

static_assert(std::ranges::is_sorted(kKeys) && std::ranges::is_sorted(kCommands));

}  // namespace

bool is_key_of_a_tool(std::string_view name) { return std::ranges::binary_search(kKeys, name); }

bool is_command_of_a_tool(std::string_view name) {
  return std::ranges::binary_search(kCommands, name);
}

}  // namespace memlong::tools
