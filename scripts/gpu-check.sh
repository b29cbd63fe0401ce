#!/usr/bin/env bash
# Is memlong right on this machine's GPU, and how fast? Runs the device tests, compute-sanitizer over
# small kernels, recall on the reference model beside the processor's answers, runs twice for the
# same bits, and memlong-bench. Takes less than ten minutes; a step that fails or hangs ends none of
# the others.
#   scripts/gpu-check.sh [--bin DIR | --pack FILE] [--out DIR] [--minutes N] [--json] [--require-gpu]
#   --bin DIR       programs built with MEMLONG_CUDA=ON; else they are built, in build/gpu
#   --pack FILE     what scripts/gpu-pack.sh made, for machines where nothing can be installed
#   --out DIR       gets report.md, report.json and log.txt; default build/gpu-check
#   --minutes N     what has not begun by then is not run; default 9
#   --json          report.json on standard output as well
#   --require-gpu   exit code 3 where there is no GPU
# Exit code: 0 all is well, or there is no GPU; 1 something failed or was not run; 2 usage.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$root/scripts/gpu-report.sh"

usage() {
  say 'usage: scripts/gpu-check.sh [--bin DIR | --pack FILE] [--out DIR] [--minutes N] [--json] [--require-gpu]'
  exit 2
}

bin='' pack='' out=$root/build/gpu-check minutes=9 json=0 require=0
while (($#)); do
  case $1 in
    --bin | --pack | --out | --minutes) (($# >= 2)) || usage ;;&
    --bin) bin=$(realpath -m "$2") && shift ;;
    --pack) pack=$(realpath -m "$2") && shift ;;
    --out) out=$(realpath -m "$2") && shift ;;
    --minutes) minutes=$2 && shift ;;
    --json) json=1 ;;
    --require-gpu) require=1 ;;
    *) usage ;;
  esac
  shift
done
[[ $minutes =~ ^[0-9]+(\.[0-9]+)?$ && (-z $bin || -z $pack) ]] || usage
[[ -z $bin || -d $bin ]] || die "$bin: no folder with programs"
[[ -z $pack || -f $pack ]] || die "$pack: no file"
cd "$root"

export PATH=$PATH:/usr/local/nvidia/bin:/usr/local/cuda/bin
found=$(command -v nvidia-smi >/dev/null || echo 'no nvidia-smi')
found=${found:-$(nvidia-smi -L 2>&1)}
if [[ $found != *'GPU 0'* && ! -c /dev/nvidia0 ]]; then
  say "!!! NO GPU ON THIS MACHINE: NOTHING WAS CHECKED (${found%%$'\n'*}) !!!"
  ((json == 0)) || printf '{"result": "no GPU"}\n'
  exit $((require * 3))
fi

mkdir -p "$out" || die "cannot make $out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=$out/log.txt
step_log=$work/step.log
tables=$work/tables.md
: >"$log"
deadline=$((SECONDS + $(awk "BEGIN { print int(60 * $minutes) }")))

# What is known of the device; "" for what nvidia-smi does not say.
query() { nvidia-smi --query-gpu="$1" --format=csv,noheader -i 0 2>/dev/null | head -n 1; }

commit() {
  if [[ -n $pack ]]; then
    cat "$bin/../commit" 2>/dev/null || echo unknown
  elif git rev-parse --short HEAD 2>/dev/null; then
    git diff --quiet HEAD 2>/dev/null || echo '(with changes)'
  else
    echo unknown
  fi | tr '\n' ' ' | sed 's/ *$//'
}

# Into `call`: what starts a program.
program() {
  if [[ -n $pack ]]; then call=("$bin/../run" "$1"); else call=("$bin/$1"); fi
}
there() {
  [[ -x $bin/$1 ]] && program "$1" && return
  record "${2:-$1}" 'not run' 0 "there is no program $1"
  return 1
}

get_programs() {
  if [[ -n $pack ]]; then
    mkdir -p "$work/pack" && bin=$work/pack/bin
    # Where there is no xz, Python may know it.
    step 'unpack' 60 bash -c 'tar -xf "$1" -C "$2" || python3 -c "import sys, tarfile
tarfile.open(sys.argv[1]).extractall(sys.argv[2])" "$1" "$2"' unpack "$pack" "$work/pack"
  elif [[ -z $bin ]]; then
    bin=$root/build/gpu/bin
    local generator=() targets
    command -v ninja >/dev/null && generator=(-G Ninja)
    step 'configure' 60 cmake -S . -B build/gpu "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DMEMLONG_CUDA=ON &&
      targets=$(cmake --build build/gpu --target help | grep -oE '[a-z]+_device_test\b' | sort -u) &&
      step 'build' 420 cmake --build build/gpu --parallel "$(nproc)" --target $targets memlong-eval memlong-bench
  fi
}

run_tests() {
  local each name
  for each in "$bin"/*_device_test; do
    name=${each##*/}
    [[ -x $each ]] || { record 'device tests' 'not run' 0 'there are none'; return; }
    program "$name"
    step "$name" 120 "${call[@]}"
    [[ $said != 'NOT TESTED'* ]] || overrule failed "$said"
  done
}

# The library's own kernels are left out: they are many, and not ours.
sanitize() {
  local tool sanitizer
  sanitizer=$(command -v compute-sanitizer) || { record 'compute-sanitizer' skipped 0 'is not installed'; return; }
  there ops_device_test compute-sanitizer || return
  for tool in memcheck racecheck synccheck; do
    step "$tool" 75 "$sanitizer" --tool "$tool" --target-processes all --error-exitcode 9 "${call[@]}" \
      --gtest_filter='-Matmul*:Gemm*:Muon*:*D256*'
    ! grep -aq 'Device not supported' "$step_log" || overrule skipped 'compute-sanitizer does not know this device'
  done
}

# rows NAME DEVICE DTYPE: the answers to the questions of a few dialogs, one JSON line each.
rows() {
  there memlong-eval "recall, $1" || return
  step "recall, $1" 60 "${call[@]}" recall --model models/reference --device "$2" --dtype "$3" --limit 2 --quiet \
    --dialogs tests/data/recall/recall-2k.jsonl tests/data/recall-held/changed-8k.jsonl --rows "$work/$1.jsonl"
}

# compare DTYPE LEAST: at least so many of a hundred answers are the processor's.
compare() {
  local name="recall, $1: the CPU's answers" a="$work/cpu $1.jsonl" b="$work/cuda $1.jsonl" found
  if ! [[ -s $a && -s $b ]]; then
    record "$name" 'not run' 0 'one of them has none'
    return
  fi
  found=$(awk -v least="$2" -f scripts/gpu-compare.awk "$a" "$b") &&
    record "$name" passed 0 "$found" || record "$name" failed 0 "$found"
}

same_bytes() {
  if ! [[ -s $2 && -s $3 ]]; then
    record "$1" 'not run' 0 'a run has no result'
  elif cmp -s "$2" "$3"; then
    record "$1" passed 0 "$(wc -c <"$2") bytes"
  else
    record "$1" failed 0 'the two differ'
  fi
}

recall() {
  local dtype run
  for dtype in f32 bf16; do
    rows "cpu $dtype" cpu "$dtype"
    rows "cuda $dtype" cuda "$dtype"
    compare "$dtype" "$([[ $dtype == f32 ]] && echo 99 || echo 90)"
    rows "cuda $dtype again" cuda "$dtype"
    same_bytes "recall, $dtype: same bits twice" "$work/cuda $dtype.jsonl" "$work/cuda $dtype again.jsonl"
  done
  for ((run = 0; run < 400; ++run)); do echo $((300 + run * 37 % 3000)); done >"$work/ids"
  for dtype in f32 bf16; do
    for run in 1 2; do
      there memlong-eval "logits, $dtype" || break
      step "logits, $dtype" 30 "${call[@]}" logits --model models/reference --device cuda --dtype "$dtype" --quiet \
        --ids "$work/ids" --out "$work/$dtype-$run.safetensors"
    done
    same_bytes "logits, $dtype: same bits twice" "$work/$dtype-1.safetensors" "$work/$dtype-2.safetensors"
  done
}

# bench SECONDS OPTION...: its table goes into the report.
bench() {
  local limit=$1
  shift
  there memlong-bench "bench $2" || return
  step "bench $2" "$limit" "${call[@]}" --device cuda "$@" --tests prefill,decode --repeat 3 --output md --quiet || return
  { printf '## memlong-bench --device cuda %s\n\n' "$*" && cat "$step_log" && echo; } >>"$tables"
}

get_programs
run_tests
recall
bench 60 --shape reference --prompt 512 --generate 64
bench 90 --shape 100m --prompt 512,2048 --generate 64
sanitize
bench 150 --shape openllama-3b --prompt 512,2048 --generate 64 --memory 0,1024

facts=(
  "date=$(date -u +%FT%TZ)"
  "commit=$(commit)"
  "device=$(query name), compute capability $(query compute_cap), $(query memory.total)"
  "driver=$(query driver_version)"
  "toolkit=$(nvcc --version 2>/dev/null | sed -n 's/.*release \([0-9.]*\).*/\1/p')"
  "machine=$(nproc) processors, $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release 2>/dev/null), $(uname -m)"
  "programs=${pack:-${bin#"$root/"}}"
  "seconds=$SECONDS"
)
write_json "${facts[@]}" >"$out/report.json"
write_markdown "$tables" "${facts[@]}" >"$out/report.md"
((json == 0)) || cat "$out/report.json"
say "$(whole_result): $out/report.md"
[[ $(whole_result) == passed ]]
