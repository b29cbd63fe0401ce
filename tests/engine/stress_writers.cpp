// Threads of the stress test that change the bank.
#include <algorithm>
#include <thread>

#include "engine/session.h"
#include "engine/stress_workers.h"
#include "membank/retention.h"

namespace memlong::engine::stress {
namespace {

using membank::DocumentId;

constexpr int64_t kBudgetChunks = 120;

/// One run of an Ingestor over some texts, all of them taken from the ledger.
class IngestRound {
 public:
  IngestRound(World& world, Context& context, std::mt19937_64& random)
      : world_(world), context_(context), random_(random) {}

  void run(size_t share, size_t shares) {
    const auto own = [&](size_t text, bool /*complete*/) { return text % shares == share; };
    for (uint64_t left = 1 + random_() % 3; left > 0; --left) {
      if (const auto text = world_.ledger.take(own, random_())) take(*text);
    }
    if (taken_.empty()) return;
    const bool stopping = random_() % 4 == 0;
    Ingestor ingestor(context_, world_.model, world_.bank, options());
    ingestor.on_document = [&](const DocumentReport& report) {
      reports_.push_back(report);
      stop_ = stop_ || stopping;
    };
    ingestor.stop = &stop_;
    const IngestTotals totals = ingestor.run(sources_);
    world_.require(check(totals));
    give_back();
    ++world_.done.ingests;
    world_.done.stopped_ingests += totals.stopped ? 1 : 0;
    world_.done.texts += totals.documents_new;
    world_.done.chunks_added += totals.chunks;
    world_.done.chunks_removed += totals.pruned.chunks;
  }

 private:
  void take(size_t text) {
    taken_.push_back(text);
    sources_.push_back(world_.texts[text].source);
    if (world_.ledger.complete(text)) ++known_;
  }

  IngestOptions options() {
    IngestOptions options;
    options.name_space = kTextSpace;
    options.commit_chunks = 1 + static_cast<int64_t>(random_() % 24);
    options.commit_seconds = 0.05;
    if (random_() % 3 == 0) {
      options.retention = {
          .policy = membank::RetentionPolicy::fifo, .chunks = 2 * kBudgetChunks, .bytes = 0};
    }
    return options;
  }

  std::string check(const IngestTotals& totals) const {
    const auto all = static_cast<int64_t>(taken_.size());
    if (totals.documents_failed != 0) return "a text failed: " + reports_.back().problem;
    if (totals.stopped) return "";
    if (totals.documents_new + totals.documents_known != all) return "texts were passed over";
    return totals.documents_known == known_ ? "" : "an ingest took a text for known or for new";
  }

  void give_back() {
    const auto snapshot = world_.bank->snapshot();
    for (const size_t text : taken_) {
      const KnownText& known = world_.texts[text];
      const auto document = snapshot->find_text(kTextSpace, known.hash);
      const bool complete = document && document->complete;
      const bool told = std::ranges::any_of(
          reports_, [&](const DocumentReport& report) { return report.name == known.source.name; });
      if (told && !complete) world_.require(known.source.name + " is not in the bank");
      world_.ledger.give_back(text, complete);
    }
  }

  World& world_;
  Context& context_;
  std::mt19937_64& random_;
  std::vector<size_t> taken_;
  std::vector<Source> sources_;
  std::vector<DocumentReport> reports_;
  std::atomic<bool> stop_{false};
  int64_t known_ = 0;
};

bool same_turns(const std::vector<membank::Turn>& a, const std::vector<membank::Turn>& b) {
  return std::ranges::equal(a, b, [](const membank::Turn& x, const membank::Turn& y) {
    return x.role == y.role && x.content == y.content && x.begin == y.begin && x.end == y.end;
  });
}

/// One dialog from its first word to its last.
class TalkRound {
 public:
  TalkRound(World& world, Context& context, const std::string& name, uint64_t seed)
      : world_(world), context_(context), random_(seed) {
    talk_.name = name;
  }

  void run() {
    const size_t parts = 1 + random_() % 3;
    for (size_t part = 0; part < parts; ++part) {
      const auto kind =
          random_() % 2 == 0 ? retriever::IndexKind::flat : retriever::IndexKind::hnsw;
      Session session(context_, world_.model, world_.embedder, world_.new_memory(kind),
                      {.name = talk_.name, .name_space = "talks", .scope = {.everything = true}});
      if (part > 0) world_.require(check_resumed(session));
      for (uint64_t left = 1 + random_() % 3; left > 0; --left) exchange(session);
      talk_.id = session.document();
      talk_.turns = session.turns();
      talk_.tokens = session.stream().tokens();
    }
    const auto chunk = world_.model->settings.chunk;
    world_.done.chunks_added += static_cast<int64_t>(talk_.tokens.size()) / chunk;
    world_.ledger.talk_ended(std::move(talk_));
  }

 private:
  void exchange(Session& session) {
    const KnownText& text = world_.texts[random_() % world_.texts.size()];
    session.add({"user", "Do you know this? " + text.text.substr(random_() % 40, 200)});
    GenerateOptions options;
    options.sampling.temperature = 0.0F;
    options.max_tokens = 1 + static_cast<int64_t>(random_() % 8);
    options.measure_attention = random_() % 2 == 0;
    const Answer answer = session.answer(options);
    if (static_cast<int64_t>(answer.ids.size()) > options.max_tokens) {
      world_.require("an answer is longer than was allowed");
    }
    ++world_.done.answers;
  }

  /// Tokens of chunks that were pruned meanwhile are 0.
  std::string check_resumed(const Session& session) {
    ++world_.done.resumed;
    if (!session.resumed() || !same_turns(session.turns(), talk_.turns)) {
      return talk_.name + " was resumed with other turns";
    }
    talk_.whole = talk_.whole && session.stream().tokens() == talk_.tokens;
    const bool same =
        std::ranges::equal(session.stream().tokens(), talk_.tokens,
                           [](int32_t now, int32_t then) { return now == then || now == 0; });
    return same ? "" : talk_.name + " was resumed with other tokens";
  }

  World& world_;
  Context& context_;
  std::mt19937_64 random_;
  Talk talk_;
};

void forget(World& world, DocumentId id) {
  membank::Removed removed;
  world.bank->update([&](membank::Transaction& t) { removed = t.forget(id); });
  drop_index_snapshots(world.bank->folder());
  world.done.chunks_removed += removed.chunks;
  ++world.done.forgotten;
  if (world.bank->snapshot()->document(id)) world.require("what was forgotten is there");
}

void forget_text(World& world, uint64_t draw) {
  const auto text = world.ledger.take([](size_t, bool complete) { return complete; }, draw);
  if (!text) return;
  const auto document = world.bank->snapshot()->find_text(kTextSpace, world.texts[*text].hash);
  if (document) {
    forget(world, document->id);
  } else {
    world.require("a text that was read is not in the bank");
  }
  world.ledger.give_back(*text, false);
}

void prune(World& world, uint64_t draw) {
  constexpr membank::RetentionPolicy kPolicies[] = {membank::RetentionPolicy::memlong,
                                                    membank::RetentionPolicy::fifo,
                                                    membank::RetentionPolicy::lru};
  const membank::Removed removed = membank::apply_retention(
      *world.bank, {.policy = kPolicies[draw % 3], .chunks = kBudgetChunks, .bytes = 0});
  world.done.chunks_removed += removed.chunks;
  world.done.prunes += removed.chunks > 0 ? 1 : 0;
}

}  // namespace

void ingest_texts(World& world, size_t share, size_t shares) {
  Context context({.threads = 1});
  std::mt19937_64 random(share + 1);
  do {
    IngestRound(world, context, random).run(share, shares);
  } while (!world.over());
}

void hold_talks(World& world, int number) {
  Context context({.threads = 1});
  int round = 0;
  do {
    const std::string name = "talk-" + std::to_string(number) + "-" + std::to_string(++round);
    TalkRound(world, context, name, static_cast<uint64_t>(number * 1000003 + round)).run();
  } while (!world.over());
}

void look_after(World& world) {
  std::mt19937_64 random(7);
  do {
    forget_text(world, random());
    prune(world, random());
    world.bank->compact();
    ++world.done.compactions;
    // Many talks stay, so that the end has something to look at.
    if (world.ledger.talks().size() > 20) forget(world, world.ledger.take_talk(random())->id);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  } while (!world.over());
}

}  // namespace memlong::engine::stress
