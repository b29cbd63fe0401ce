// Ctrl-C and SIGTERM: the first asks for a clean stop, the second ends the process at once.
#pragma once

#include <atomic>

namespace memlong::tools {

/// Installs the handlers of SIGINT and SIGTERM, on a stack of their own in the calling thread,
/// which is the first of its process; and ignores SIGPIPE.
void catch_stop_signals();

/// A mapped file that another program cut short, or whose disk fails, raises SIGBUS where it is
/// read: from now on that ends the process with one line and exit code 1.
void end_on_bus_errors();

/// Whether a stop was asked for. Thread-safe.
bool stop_requested();
/// The flag itself, for parts that take one.
const std::atomic<bool>& stop_flag();
/// The signal that asked for the stop (SIGINT, SIGTERM); 0: none did.
int stop_signal();
/// Forgets a request that was honoured (a chat that only stopped its answer).
void clear_stop_request();
/// Throws Error{stopped} when a stop was asked for.
void throw_if_stopped();

}  // namespace memlong::tools
