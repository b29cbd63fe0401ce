#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "retriever/best_score.h"
#include "tokenizer/readable_text.h"
#include "tools/common/output.h"
#include "tools/common/run.h"
#include "tools/common/signals.h"
#include "tools/common/text.h"
#include "tools/memlong-bank/query_vector.h"

namespace memlong::bank_tool {
namespace {

struct Found {
  float score = 0;
  membank::ChunkId chunk = 0;
  bool operator<(const Found& other) const {
    return score != other.score ? score > other.score : chunk < other.chunk;
  }
};

/// The best chunks by inner product, best first, all where `limit` is 0; every vector is looked at.
std::vector<Found> scan(const membank::Snapshot& snapshot,
                        const std::vector<std::vector<float>>& queries,
                        const std::set<uint32_t>& name_spaces, size_t limit) {
  std::set<membank::ChunkId> allowed;
  if (!name_spaces.empty()) {
    snapshot.for_each_chunk(0, [&](const membank::ChunkInfo& chunk) {
      if (name_spaces.contains(chunk.name_space_id)) allowed.insert(allowed.end(), chunk.id);
    });
  }
  std::vector<Found> best;
  snapshot.for_each_vector(0, [&](membank::ChunkId id, std::span<const float> vector) {
    tools::throw_if_stopped();
    if (!name_spaces.empty() && !allowed.contains(id)) return;
    const Found found{retriever::best_score(queries, vector), id};
    if (limit == 0) return best.push_back(found);
    if (best.size() == limit && !(found < best.back())) return;
    best.insert(std::lower_bound(best.begin(), best.end(), found), found);
    if (best.size() > limit) best.pop_back();
  });
  if (limit == 0) std::sort(best.begin(), best.end());
  return best;
}

std::set<uint32_t> space_ids(const membank::Snapshot& snapshot,
                             const std::vector<std::string>& names) {
  const auto known = snapshot.name_spaces();
  std::set<uint32_t> ids;
  for (const std::string& name : names) {
    const auto found = known.find(name);
    if (found == known.end()) {
      fail(ErrorKind::usage, "--namespace: the bank has no namespace '" + name + "'");
    }
    ids.insert(found->second);
  }
  return ids;
}

nlohmann::ordered_json hit_json(const membank::Snapshot& snapshot,
                                const tokenizer::Tokenizer& tokenizer, const Found& found) {
  const auto chunk = snapshot.chunk(found.chunk);
  if (!chunk) return {};
  const auto document = snapshot.document(chunk->document);
  return {{"chunk", chunk->id},
          {"document", chunk->document},
          {"name", document ? document->name : ""},
          {"namespace", document ? document->name_space : ""},
          {"position", chunk->begin},
          {"tokens", chunk->tokens},
          {"score", found.score},
          {"text", tokenizer::readable_text(tokenizer, snapshot.chunk_tokens(chunk->id))}};
}

}  // namespace

int run_search(const BankArguments& arguments) {
  if (arguments.subject.find_first_not_of(" \t\n") == std::string::npos) {
    fail(ErrorKind::usage, "the query is empty");
  }
  const auto bank = open_bank(arguments.bank, membank::OpenMode::read);
  const auto snapshot = bank->snapshot();
  const std::set<uint32_t> spaces = space_ids(*snapshot, arguments.name_spaces);
  const auto tokenizer = need_tokenizer(*bank, *snapshot, arguments);
  const auto queries = query_vectors(*bank, *snapshot, *tokenizer, arguments);
  const auto limit = static_cast<size_t>(arguments.search_limit);
  auto hits = nlohmann::ordered_json::array();
  for (const Found& found : scan(*snapshot, queries, spaces, limit)) {
    hits.push_back(hit_json(*snapshot, *tokenizer, found));
  }
  if (arguments.common.json) {
    tools::print_json(hits);
    return tools::kExitOk;
  }
  for (const auto& hit : hits) {
    tools::print_out(tools::fixed(hit["score"], 3) + "  chunk " + hit["chunk"].dump() +
                     "  document " + hit["document"].dump() + "  position " +
                     hit["position"].dump() + "  " +
                     tools::one_line(hit["name"].get<std::string>(), 60) + "\n    " +
                     tools::one_line(hit["text"].get<std::string>(), 400) + "\n");
  }
  if (hits.empty()) tools::print_out("nothing found\n");
  return tools::kExitOk;
}

}  // namespace memlong::bank_tool
