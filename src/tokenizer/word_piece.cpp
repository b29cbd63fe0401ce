#include "tokenizer/word_piece.h"

#include <vector>

#include "common/utf8.h"

namespace memlong::tokenizer {

void WordPiece::encode(std::string_view word, Ids& into) const {
  std::vector<size_t> ends;  // of its characters
  for (size_t at = 0; at < word.size();) ends.push_back(at += character_length(word.substr(at)));
  const size_t before = into.size();
  if (static_cast<int64_t>(ends.size()) > rules_.max_characters) {
    into.push_back(rules_.unknown);
    return;
  }
  size_t first = 0;  // character
  while (first < ends.size()) {
    const size_t begin = first == 0 ? 0 : ends[first - 1];
    std::string piece = first == 0 ? "" : rules_.continuation;
    const size_t lead = piece.size();
    piece += word.substr(begin);
    size_t last = ends.size();
    auto found = rules_.vocabulary.find(piece);
    while (found == rules_.vocabulary.end() && --last > first) {
      piece.resize(lead + ends[last - 1] - begin);
      found = rules_.vocabulary.find(piece);
    }
    if (found == rules_.vocabulary.end()) {
      into.resize(before);
      into.push_back(rules_.unknown);
      return;
    }
    into.push_back(found->second);
    first = last;
  }
}

}  // namespace memlong::tokenizer
