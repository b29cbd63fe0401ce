// Names from a file that somebody else wrote, for messages. Included only by .cpp files of this
// folder.
#pragma once

#include <string>
#include <string_view>

namespace memlong::model {

/// At most 100 bytes of it, with '?' for control characters: a message stays one line.
std::string shown(std::string_view name);

}  // namespace memlong::model
