#include "server/known_messages.h"

#include <algorithm>
#include <string_view>

namespace memlong::server {

using membank::Turn;
using tokenizer::Message;

namespace {

std::string_view trimmed(std::string_view text) {
  const size_t last = text.find_last_not_of(" \t\r\n");
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

bool same(const Turn& turn, const Message& message) {
  if (turn.role != message.role) return false;
  return turn.content == message.content ||
         (turn.role == "assistant" && trimmed(turn.content) == trimmed(message.content));
}

}  // namespace

std::optional<size_t> known_of_named(const std::vector<Turn>& turns,
                                     const std::vector<Message>& messages) {
  if (continues(turns, messages)) return turns.size();
  const size_t first = !messages.empty() && messages[0].role == "system" ? 1 : 0;
  const size_t rest = messages.size() - first;
  const auto begin = messages.begin() + static_cast<std::ptrdiff_t>(first);
  for (size_t count = std::min(turns.size(), rest); count > 0; --count) {
    const auto end = turns.end();
    if (std::equal(end - static_cast<std::ptrdiff_t>(count), end, begin, same))
      return first + count;
  }
  const bool answered = std::any_of(
      begin, messages.end(), [](const Message& message) { return message.role == "assistant"; });
  if (answered) return std::nullopt;
  return first;
}

bool continues(const std::vector<Turn>& turns, const std::vector<Message>& messages) {
  return turns.size() < messages.size() &&
         std::equal(turns.begin(), turns.end(), messages.begin(), same);
}

}  // namespace memlong::server
