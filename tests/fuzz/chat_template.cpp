#include "tokenizer/chat_template.h"

#include <algorithm>

#include "common/file.h"
#include "fuzz/target.h"
#include "fuzz/targets.h"
#include "fuzz/tiny_model.h"
#include "support/temp_folder.h"
#include "tokenizer/fixtures.h"

namespace memlong::fuzz {
namespace {

using tokenizer::ChatTemplate;
using tokenizer::Ids;
using tokenizer::Tokenizer;
using Shared = std::shared_ptr<const Tokenizer>;

/// The reference model's tokenizer with every special token that a template asks for.
Shared load_all_marks(const char* more) {
  const test::TempFolder folder;
  tokenizer::write_model(folder, more);
  folder.write("added_tokens.json",
               R"({"<|im_start|>": 5000, "<|im_end|>": 5001, "[INST]": 5002, "[/INST]": 5003,
                   "<|start_header_id|>": 5004, "<|end_header_id|>": 5005, "<|eot_id|>": 5006})");
  return tokenizer::load_tokenizer(folder.path());
}

const Shared& tokens_of(bool dummy_prefix) {
  static const Shared plain = load_all_marks("");
  static const Shared prefixed = load_all_marks(tokenizer::kDummyPrefix);
  return dummy_prefix ? prefixed : plain;
}

void check_message(const Tokenizer& tokens, const ChatTemplate& chat,
                   const tokenizer::Message& message, size_t before) {
  tokenizer::EncodedMessage encoded;
  if (!accepted({ErrorKind::format}, [&] { encoded = chat.encode(message, before); })) return;
  const Ids& ids = encoded.ids;
  require(encoded.content_begin <= encoded.content_end && encoded.content_end <= ids.size(),
          "a content beyond its message");
  for (const int32_t id : ids) {
    require(id >= 0 && id < tokens.vocab_size(), "an id beyond the vocabulary");
  }
  const Ids content(ids.begin() + static_cast<std::ptrdiff_t>(encoded.content_begin),
                    ids.begin() + static_cast<std::ptrdiff_t>(encoded.content_end));
  require(std::none_of(content.begin(), content.end(),
                       [&](int32_t id) { return tokens.is_special(id); }),
          "content became a special token");
  const bool exact =
      is_utf8(message.content) && message.content.find("\xE2\x96\x81") == std::string::npos;
  require(!exact || tokens.decode(content).ends_with(message.content) || message.content[0] == ' ',
          "content changed");
  if (message.role != "assistant") return;
  const Ids prefix = chat.answer_prefix(before);
  const Ids suffix = chat.answer_suffix();
  require(ids.size() >= prefix.size() + suffix.size() &&
              std::equal(prefix.begin(), prefix.end(), ids.begin()) &&
              std::equal(suffix.rbegin(), suffix.rend(), ids.rbegin()),
          "an answer is not spelled as it is generated");
}

std::string role_of(std::string_view part) {
  if (part.starts_with('s')) return "system";
  if (part.starts_with('u')) return "user";
  if (part.starts_with('a')) return "assistant";
  return std::string(part.substr(0, 8));
}

void check_dialog(const std::string& name, bool dummy_prefix, Input input) {
  const Shared& tokens = tokens_of(dummy_prefix);
  const auto chat = tokenizer::make_chat_template(name, tokens);
  require(chat->name() == name && chat->opening().size() <= 1, "another template");
  for (size_t before = 0; !input.rest().empty() && before < 16; ++before) {
    const std::string_view part = input.until('\x1F');
    check_message(*tokens, *chat,
                  {role_of(part), std::string(part.substr(std::min<size_t>(1, part.size())))},
                  before);
  }
}

/// tokenizer_config.json of a model folder.
void check_config(std::string_view json) {
  static const test::TempFolder folder;
  static const std::string model = folder.write("tokenizer.model", tiny_model(1, false));
  folder.write("tokenizer_config.json", std::string(json));
  std::string name;
  const auto names = tokenizer::chat_template_names();
  const bool known = accepted({ErrorKind::format}, [&] {
    name = tokenizer::recognise_chat_template(folder.path());
    require(std::find(names.begin(), names.end(), name) != names.end(), "an unknown template");
  });
  accepted({ErrorKind::format, ErrorKind::config}, [&] {
    const Shared tokens = tokenizer::load_tokenizer(folder.path());
    require(known, "a file that is read once and refused once");
    const auto chat = tokenizer::make_chat_template(name, tokens);
    check_message(*tokens, *chat, {"user", "hello world"}, 0);
    check_message(*tokens, *chat, {"assistant", "hello"}, 1);
  });
}

}  // namespace

void chat_template(std::string_view input) {
  Input parts(input);
  const auto choice = parts.number<uint8_t>();
  const auto names = tokenizer::chat_template_names();
  const size_t index = choice % (names.size() + 1);
  if (index == names.size()) return check_config(parts.rest());
  check_dialog(names[index], choice >= 0x80, parts);
}

}  // namespace memlong::fuzz
