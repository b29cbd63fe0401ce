// A program that remembers. It reads a text, is told things line by line, and answers each line.
// All of that is in its bank when it ends; the next run knows it.
//   remember MODEL BANK TEXT < LINES
#include <algorithm>
#include <exception>
#include <iostream>
#include <memory>
#include <string>

#include "common/error.h"
#include "engine/bank_embedder.h"
#include "engine/ingest.h"
#include "engine/loaded_model.h"
#include "engine/memory.h"
#include "engine/open_bank.h"
#include "engine/session.h"
#include "tensor/context.h"

namespace engine = memlong::engine;

namespace {

/// Reads the text into the bank. A text that is there already, by its content, costs nothing.
void memorize(memlong::Context& context, const std::shared_ptr<const engine::LoadedModel>& model,
              const std::shared_ptr<memlong::membank::Bank>& bank, const std::string& path) {
  const engine::SourceList list = engine::list_sources({path}, {});
  for (const std::string& problem : list.problems) std::cerr << problem << "\n";

  engine::Ingestor ingestor(context, model, bank, {});
  ingestor.on_document = [](const engine::DocumentReport& document) {
    if (!document.problem.empty()) std::cerr << document.problem << "\n";
  };
  const engine::IngestTotals totals = ingestor.run(list.sources);
  std::cout << path << ": " << totals.chunks << " new chunks, " << totals.documents_known
            << " texts known already\n";
}

/// The two best of the chunks that the model read from memory for its answer.
void show(const engine::Session& session, const engine::Answer& answer) {
  for (size_t i = 0; i < answer.retrieved.size() && i < 2; ++i) {
    const engine::RetrievedChunk& chunk = answer.retrieved[i];
    std::string text = session.text_of(chunk);
    std::replace(text.begin(), text.end(), '\n', ' ');
    text.resize(std::min(text.size(), text.find(' ', 50)));
    const bool own = chunk.document == session.document();
    std::cout << "    read: " << (own ? "this dialog" : "the text") << " at token " << chunk.begin
              << ", score " << chunk.score << ": " << text << " ...\n";
  }
}

void remember(const std::string& model_folder, const std::string& bank_folder,
              const std::string& text) {
  // Where it computes: here the processor, with all its threads.
  memlong::Context context;
  const auto model = engine::load_model(context, {.folder = model_folder});
  // Made by the first run. It belongs to this model: another one is refused.
  const auto bank = engine::open_bank(bank_folder, *model);
  memorize(context, model, bank, text);

  // The bank made searchable, and what turns text into the vectors to search with.
  const auto memory = std::make_shared<engine::Memory>(bank);
  const auto embedder = engine::settle_embedder(context, *model, bank.get(), "");

  // A dialog with a name is kept in the bank, and goes on where it stopped.
  engine::SessionOptions options;
  options.name = "remember";
  options.scope = engine::texts_of(*bank->snapshot(), options.name_space);
  engine::Session session(context, model, embedder, memory, options);
  if (session.resumed()) {
    std::cout << "going on after " << session.turns().size() << " messages, " << session.tokens()
              << " tokens\n";
  }
  std::cout.precision(2);

  engine::GenerateOptions how;
  how.sampling.temperature = 0.0F;  // always the likeliest token
  for (std::string line; std::getline(std::cin, line);) {
    session.add({"user", line});
    const engine::Answer answer = session.answer(how);
    std::cout << "\n> " << line << "\n" << answer.text << "\n";
    show(session, answer);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: remember MODEL BANK TEXT < LINES\n";
    return 2;
  }
  try {
    remember(argv[1], argv[2], argv[3]);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "remember: " << error.what() << "\n";
    return 1;
  }
}
