// What the sanitizers do in a build with MEMLONG_SANITIZE, whoever starts the program; ASAN_OPTIONS,
// UBSAN_OPTIONS and TSAN_OPTIONS come on top. Tests and tools are linked with it. The exit code is
// one that no tool has, so that no test takes a report for the failure that it expects.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {
const char* __asan_default_options() { return "exitcode=86"; }
const char* __ubsan_default_options() { return "print_stacktrace=1"; }
const char* __tsan_default_options() {
  return "exitcode=86:halt_on_error=1:second_deadlock_stack=1";
}
}
// NOLINTEND(bugprone-reserved-identifier)
