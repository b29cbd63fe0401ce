#include "model/shown.h"

namespace memlong::model {

std::string shown(std::string_view name) {
  constexpr size_t kLongest = 100;
  std::string text(name.substr(0, kLongest));
  for (char& byte : text) {
    if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F) byte = '?';
  }
  return name.size() > kLongest ? text + "..." : text;
}

}  // namespace memlong::model
