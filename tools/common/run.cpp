#include "tools/common/run.h"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <iostream>
#include <malloc.h>
#include <new>
#include <string>
#include <unistd.h>

#include "common/error.h"
#include "tools/common/output.h"
#include "tools/common/signals.h"
#include "tools/common/text.h"

namespace memlong::tools {
namespace {

std::string program_name(int argc, char** argv) {
  if (argc < 1 || argv[0] == nullptr) return "memlong";
  const std::string path = argv[0];
  return path.substr(path.find_last_of('/') + 1);
}

int report(const std::string& program, const std::string& message, int code) {
  constexpr size_t kLongest = 5000;  // a path of 4096 bytes and why it cannot be opened
  const std::string line = program + ": error: " + cut(message, kLongest) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
  return code;
}

int exit_code(ErrorKind kind) {
  if (kind == ErrorKind::usage) return kExitUsage;
  return kind == ErrorKind::stopped ? kExitStopped : kExitFailure;
}

/// Threads that wait for each other in libgomp's default way burn a core each: on a machine with
/// other work that is many times slower than a short spin and then a sleep. Where more threads
/// than one start parallel loops, as in an ingest, libgomp spins a tenth of that, unless told to
/// wait actively, and threads fall asleep in every loop. It reads its environment when it is
/// loaded, so the tool starts itself once more.
void wait_politely(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  ::setenv("OMP_WAIT_POLICY", "active", 1);
  ::setenv("GOMP_SPINCOUNT", "1000", 0);
  ::execv("/proc/self/exe", argv);  // where that fails, the tool runs as it is
}

/// What is freed stays with the process for the next time, up to these bounds. By default large
/// blocks, such as what each retrieval reads, go back to the kernel at once, and come back page by
/// page, cleared: as much work as using them.
void keep_freed_memory() {
  constexpr int kKeptBytes = 256 << 20;
  constexpr int kOwnMapping = 32 << 20;  // the most that glibc takes: larger blocks are mapped
  ::mallopt(M_TRIM_THRESHOLD, kKeptBytes);
  ::mallopt(M_MMAP_THRESHOLD, kOwnMapping);
}

/// A standard stream that was closed (`tool >&-`) would be the number of the next file that is
/// opened, of a bank perhaps: what is printed would land in it. The numbers are taken, the wrong
/// way round, so that reading and writing them stay errors.
void hold_closed_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    const int mode = stream == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    if (::open("/dev/null", mode) != stream) std::_Exit(kExitFailure);  // there is nobody to tell
  }
}

}  // namespace

int run_tool(int argc, char** argv, const std::function<int(int, char**)>& tool) {
  hold_closed_streams();
  wait_politely(argv);
  keep_freed_memory();
  const std::string program = program_name(argc, argv);
  catch_stop_signals();
  end_on_bus_errors();
  try {
    const int code = tool(argc, argv);
    flush_out();
    std::cout.flush();
    if (!std::cout || std::ferror(stdout) != 0)
      return report(program, "cannot write to standard output", kExitFailure);
    return code;
  } catch (const OutputClosed&) {
    return kExitClosedPipe;
  } catch (const Error& error) {
    return report(program, error.what(), exit_code(error.kind()));
  } catch (const std::filesystem::filesystem_error& error) {
    const std::string path = error.path1().string();
    return report(program,
                  "cannot use " + (path.empty() ? "a path" : path) + ": " + error.code().message(),
                  kExitFailure);
  } catch (const std::bad_alloc&) {
    return report(program, "out of memory", kExitFailure);
  } catch (const std::exception& error) {
    return report(program, error.what(), kExitFailure);
  }
}

}  // namespace memlong::tools
