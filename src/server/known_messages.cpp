#include "server/known_messages.h"

#include <algorithm>
#include <span>
#include <string_view>

namespace memlong::server {

using membank::Turn;
using tokenizer::Message;

namespace {

std::string_view trimmed(std::string_view text) {
  constexpr const char* kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) + 1 - first);
}

bool same(const Turn& turn, const Message& message) {
  if (turn.role != message.role) return false;
  return turn.content == message.content ||
         (turn.role == "assistant" && trimmed(turn.content) == trimmed(message.content));
}

/// Or the client has left before the end of the answer.
bool same_or_cut(const Turn& turn, const Message& message) {
  return same(turn, message) || (turn.role == "assistant" && message.role == "assistant" &&
                                 trimmed(turn.content).starts_with(trimmed(message.content)));
}

using Compare = bool (*)(const Turn& turn, const Message& message);

bool goes_on(const std::vector<Turn>& turns, const std::vector<Message>& messages,
             Compare compare) {
  return turns.size() < messages.size() &&
         std::equal(turns.begin(), turns.end(), messages.begin(), compare);
}

/// So many messages from `first` on are how the dialog ends; 0: none.
size_t at_end(std::span<const Turn> turns, const std::vector<Message>& messages, size_t first,
              Compare compare) {
  const auto begin = messages.begin() + static_cast<std::ptrdiff_t>(first);
  for (size_t count = std::min(turns.size(), messages.size() - first); count > 0; --count) {
    const auto from = turns.end() - static_cast<std::ptrdiff_t>(count);
    if (std::equal(from, turns.end(), begin, compare)) return count;
  }
  return 0;
}

}  // namespace

std::optional<size_t> known_of_named(const std::vector<Turn>& turns,
                                     const std::vector<Message>& messages) {
  const size_t first = !messages.empty() && messages[0].role == "system" ? 1 : 0;
  for (const Compare compare : {same, same_or_cut}) {
    if (goes_on(turns, messages, compare)) return turns.size();
    if (const size_t count = at_end(turns, messages, first, compare); count > 0) {
      return first + count;
    }
  }
  const bool answered = std::ranges::any_of(
      messages, [](const Message& message) { return message.role == "assistant"; });
  if (!answered) return first;
  // The answer was made, and its client has not got it.
  if (!turns.empty() && turns.back().role == "assistant") {
    const auto before = std::span(turns).first(turns.size() - 1);
    if (at_end(before, messages, first, same_or_cut) == messages.size() - first) {
      return messages.size();
    }
  }
  return std::nullopt;
}

bool continues(const std::vector<Turn>& turns, const std::vector<Message>& messages) {
  return goes_on(turns, messages, same);
}

}  // namespace memlong::server
