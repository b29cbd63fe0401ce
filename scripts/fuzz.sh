#!/usr/bin/env bash
# Runs the fuzz targets (tests/fuzz) under libFuzzer with ASan and UBSan, and prints a table.
#   scripts/fuzz.sh SECONDS [TARGET...]   so long each; all targets, where none is named
# Exit code 1 when a target found something. The inputs that did are kept in build/fuzz/findings;
# with their names in tests/fuzz/corpus/TARGET they become tests.
#   MEMLONG_FUZZ_BUILD   build folder (build/fuzz)
#   MEMLONG_FUZZ_JOBS    targets that run at a time (as many as there are processors)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
refuse_option "$@"
cd "$root"

seconds=${1:-}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "how many seconds? usage: scripts/fuzz.sh SECONDS [TARGET...]"
shift
mapfile -t known < <(cd tests/fuzz/corpus && printf '%s\n' *)
targets=("$@")
(($#)) || targets=("${known[@]}")
for target in "${targets[@]}"; do
  [[ -d tests/fuzz/corpus/$target ]] || die "there is no target '$target'; there are: ${known[*]}"
done
command -v clang++-14 >/dev/null || die "clang 14 is missing; run scripts/setup.sh --dev first"

build=${MEMLONG_FUZZ_BUILD:-$root/build/fuzz}
jobs=${MEMLONG_FUZZ_JOBS:-$(nproc)}
findings=$build/findings
scratch=$(mktemp -d -p "$([[ -w /dev/shm ]] && echo /dev/shm || echo /tmp)" memlong-fuzz-XXXXXX)
trap 'rm -rf "$scratch"' EXIT

log=$scratch/build.log
{ cmake --preset fuzz -B "$build" && cmake --build "$build" --parallel "$(nproc)" --target "${targets[@]/#/fuzz-}"; } \
  >"$log" 2>&1 </dev/null || { tail -n 40 "$log" >&2; die "the build failed; its last lines stand above"; }

# A file that lies about its size must not make a reader allocate more than this. The timeout is
# wall-clock time, of which a busy machine gives little.
limits=(-malloc_limit_mb=512 -rss_limit_mb=2048 -timeout=120)

run_target() {
  local target=$1 longest=4096 found=$build/corpus/$1
  case $target in
    snapshot | tokenizer_model | torch_file) longest=8192 ;;
    config | chat_template | tokenizer_json) longest=16384 ;;
  esac
  mkdir -p "$found" "$findings" "$scratch/$target"
  TMPDIR=$scratch/$target OMP_NUM_THREADS=1 UBSAN_OPTIONS=print_stacktrace=1 "$build/bin/fuzz-$target" \
    -max_total_time="$seconds" -max_len="$longest" -print_final_stats=1 -entropic_scale_per_exec_time=1 \
    "${limits[@]}" -dict="tests/fuzz/dictionaries/$target.dict" -artifact_prefix="$findings/$target-" \
    "$found" "tests/fuzz/corpus/$target" >"$build/$target.log" 2>&1 </dev/null
  echo $? >"$scratch/$target.rc"
}

running=0
for target in "${targets[@]}"; do
  ((running < jobs)) || { wait -n || true; running=$((running - 1)); }
  (set +e; run_target "$target") &
  running=$((running + 1))
done
wait

stat_of() { sed -n "s/^stat::$2: *//p" "$build/$1.log" | tail -n 1; }
coverage_of() { grep -oE 'cov: [0-9]+' "$build/$1.log" | tail -n 1 | cut -c6-; }
failed=0
printf '%-16s %12s %9s %9s %8s %7s  %s\n' target executions per_s coverage inputs peak_MB found
for target in "${targets[@]}"; do
  found=nothing
  if [[ $(cat "$scratch/$target.rc" 2>/dev/null) != 0 ]]; then
    found="a defect: $build/$target.log"
    failed=1
  fi
  printf '%-16s %12s %9s %9s %8s %7s  %s\n' "$target" "$(stat_of "$target" number_of_executed_units)" \
    "$(stat_of "$target" average_exec_per_sec)" "$(coverage_of "$target")" \
    "$(find "$build/corpus/$target" -type f | wc -l)" "$(stat_of "$target" peak_rss_mb)" "$found"
done
exit "$failed"
