// The next tokens of several dialogs, each of a stream of its own, in one pass of the network.
#pragma once

#include <cstdint>
#include <exception>
#include <span>
#include <vector>

#include "engine/stream.h"
#include "tensor/context.h"

namespace memlong::engine {

/// Each stream takes its id and reads it, as stream.read({id}, Want::last) does, up to rounding.
/// Those that have nothing else to read, in a window that is open and has room, go through the
/// network together, which reads the weights once for all of them. Others are read one after the
/// other, and so are all where no two can go together. The streams are of this context and of one
/// model, none is there twice.
///
/// What has failed for each stream (its source, say), or null; the others are read all the same.
/// Every stream has taken its token. One that failed is as after a read() that did: the token is
/// unread, and the next read, for its logits read_last_again(), reads it or fails for the stream's
/// own reason. An error of the pass itself is that of all that were in it. Errors: internal, for
/// streams that cannot be read together.
std::vector<std::exception_ptr> read_together(Context& context, std::span<Stream* const> streams,
                                              std::span<const int32_t> ids);

}  // namespace memlong::engine
