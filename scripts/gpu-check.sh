#!/usr/bin/env bash
# Is memlong right on this machine's GPU? Runs the device tests, compute-sanitizer over small kernels,
# recall on the reference model beside the processor's answers, runs twice for the same bits, and
# memlong-bench, shortly (gpu-bench.sh says how fast it is). Takes less than ten minutes; a step that
# fails or hangs ends none of the others.
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
source "$root/scripts/gpu-lib.sh"

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

need_gpu CHECKED $require $json
begin_report "$minutes"

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

# losses FORM PART RUN DEVICE: those of a few steps of training, one on a line; 1 where there are none.
losses() {
  local folder="$work/train $1 $3"
  there memlong-train "training, $1, $3" || return
  step "training, $1, $3" 60 "${call[@]}" run --model models/reference --data dialogs:tests/data/recall/recall-2k.jsonl \
    --form "$1" --train "$2" --rows 2 --steps 3 --warmup 1 --dtype f32 --device "$4" --eval-every 0 --no-peak \
    --no-tensorboard --out "$folder" --quiet || return
  grep -o '"loss":[^,]*' "$folder/log.jsonl" >"$folder.losses"
}

# The first loss is of the same weights, the next ones of what was learnt.
training() {
  local form part a found
  for form in streams pairs; do
    part=$([[ $form == streams ]] && echo upper || echo all)
    losses $form $part cpu cpu
    losses $form $part cuda cuda
    losses $form $part again cuda
    a="$work/train $form"
    same_bytes "training, $form: same losses twice" "$a cuda.losses" "$a again.losses"
    if ! [[ -s "$a cpu.losses" && -s "$a cuda.losses" ]]; then
      record "training, $form: the CPU's losses" 'not run' 0 'one of them has none'
      continue
    fi
    found=$(paste -d: "$a cpu.losses" "$a cuda.losses" | awk -F: '{
        off = ($4 - $2) / $2; off = off < 0 ? -off : off; if (off > most) most = off
      } END { printf "%d steps, at most %.1e apart", NR, most; exit !(NR == 3 && most <= 1e-3) }') &&
      record "training, $form: the CPU's losses" passed 0 "$found" ||
      record "training, $form: the CPU's losses" failed 0 "$found"
  done
}

# Only a build with FAISS for GPUs has its module. Its tests skip where it cannot be loaded or finds no
# GPU: here that is a failure.
faiss() {
  local why
  if ! [[ -e $bin/libmemlong_faiss_gpu.so ]]; then
    record 'FAISS on the GPU' skipped 0 'the programs were built without it'
    return
  fi
  there retriever_test 'FAISS on the GPU' || return
  step 'FAISS on the GPU' 120 "${call[@]}" --gtest_filter='*FaissGpu*' || return
  why=$(grep -a -m 1 -A 1 ': Skipped$' "$step_log" | tail -n 1)
  [[ -z $why ]] || overrule failed "$why"
}

# bench SECONDS OPTION...: its table goes into the report.
bench() {
  local limit=$1
  shift
  there memlong-bench "bench $2" || return
  step "bench $2" "$limit" "${call[@]}" --device cuda "$@" --tests machine,prefill,decode --repeat 3 \
    --output md --quiet || return
  { printf '## memlong-bench --device cuda %s\n\n' "$*" && cat "$step_log" && echo; } >>"$tables"
}

get_programs 1 memlong-eval memlong-train memlong-bench
run_tests
faiss
recall
training
bench 60 --shape 100m --prompt 512,2048 --generate 64
sanitize

get_facts
write_json "${facts[@]}" >"$out/report.json"
write_markdown 'GPU check' "$tables" "${facts[@]}" >"$out/report.md"
((json == 0)) || cat "$out/report.json"
say "$(whole_result): $out/report.md"
[[ $(whole_result) == passed ]]
