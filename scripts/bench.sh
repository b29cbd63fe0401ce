#!/usr/bin/env bash
# Measures everything that docs/benchmarks.md has tables of, and writes them. For a machine that does
# nothing else; it takes long, most of it for the long dialogs and the large bank.
#   scripts/bench.sh [OPTION...]
#   --only NAME,...         sections: openllama-3b openllama-3b-load reference reference-dialog 100m
#                           100m-dialog peers
#   --llama-bench PATH      llama.cpp's llama-bench; without it llama.cpp is left out
#   --python PATH           an interpreter with numpy, and torch and gguf for those peers; without
#                           it random model folders and PyTorch are left out
#   --work DIR              keeps random models, and their weights as packed, there for the next time
#                           (16 GB; default: a temporary folder)
#   --page FILE             the page whose tables are written (default docs/benchmarks.md)
#   --bin DIR               the binaries (default: builds the release preset)
#   --threads N             default: all processors
#   --repeat N              runs of each test, rounds with peers (default 5)
#   --quick                 tiny sizes, to see that everything runs: its figures mean nothing
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

only='' llama='' python='' work='' page=$root/docs/benchmarks.md bin='' threads=$(nproc) repeat=5 quick=0
while (($#)); do
  case $1 in
    --quick) quick=1 && shift && continue ;;
    --only | --llama-bench | --python | --work | --page | --bin | --threads | --repeat) ;;
    *) die "unknown option $1; the head of this script says what there is" ;;
  esac
  (($# > 1)) || die "$1 needs a value"
  case $1 in
    --only) only=$2 ;;
    --llama-bench) llama=$2 ;;
    --python) python=$2 ;;
    --work) work=$2 ;;
    --page) page=$2 ;;
    --bin) bin=$2 ;;
    --threads) threads=$2 ;;
    --repeat) repeat=$2 ;;
  esac
  shift 2
done
[[ -w $page ]] || die "$page is not there, or may not be written"
[[ -z $llama || -x $llama ]] || die "--llama-bench $llama is no program"
[[ -z $python ]] || "$python" -c 'import numpy' 2>/dev/null || die "--python $python has no numpy"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
out=$scratch/reports
[[ -n $work ]] || work=$scratch/work
mkdir -p "$out" "$work"
export XDG_CACHE_HOME=$work/cache  # packed weights of large models

if [[ -z $bin ]]; then
  "$root/scripts/build.sh" release memlong-bench >&2
  bin=$root/build/release/bin
fi
bench=$bin/memlong-bench
[[ -x $bench ]] || die "there is no $bench"

wanted() { [[ -z $only || ,$only, == *,$1,* ]]; }
has() { [[ -n $python ]] && "$python" -c "import $1" 2>/dev/null; }

# kept NAME COMMAND...: its output becomes NAME.json; a section that fails is left out.
failed=()
kept() {
  local name=$1
  shift
  say "== $name"
  if "$@" >"$out/$name.part"; then
    mv "$out/$name.part" "$out/$name.json"
  else
    say "failed: $name"
    failed+=("$name")
  fi
}

# section NAME ARGUMENT...: a run of memlong-bench; NAME.json and NAME.command.
section() {
  local name=$1
  shift
  printf 'memlong-bench %s\n' "$*" | sed "s|$work/||g; s|$root/||g" >"$out/$name.command"
  kept "$name" "$bench" "$@" --threads "$threads" --repeat "$repeat" --folder "$work" --json --quiet
}

# The folder of a random model, made where it is missing.
random_model() {
  local folder=$work/$1
  [[ -f $folder/config.json ]] || "$python" "$root/bench/peers/random_model.py" "$1" "$folder" >&2
  printf '%s' "$folder"
}

# peers NAME MODEL ARGUMENT...: in turns with llama.cpp and PyTorch.
peers() {
  local name=peers-$1 model=$2 given=()
  shift 2
  if [[ -n $llama ]] && has gguf; then
    local gguf=$work/${name#peers-}.gguf
    if [[ ! -f $gguf ]]; then
      "$python" "$root/bench/peers/to_gguf.py" "$model" "$gguf.part" >&2 && mv "$gguf.part" "$gguf" ||
        { failed+=("$name") && return; }
    fi
    given+=(--gguf "$gguf" --llama-bench "$llama")
  fi
  if has torch; then given+=(--torch-python "$python"); fi
  printf 'bench/peers/compare.py --model %s %s\n' "${name#peers-}" "$*" >"$out/$name.command"
  kept "$name" "${python:-python3}" "$root/bench/peers/compare.py" --memlong-bench "$bench" --model "$model" \
    --threads "$threads" --rounds "$repeat" "${given[@]}" "$@"
}

if ((quick)); then
  repeat=1
  large=reference prompt=16 long=32 generate=4 bank=1 gather=1 vectors=500,1000 hnsw=500 lengths=600,1100
  middle=reference ingest=1024 peer_models=(reference) window=(--window 512 --overlap 128)
else
  large=openllama-3b prompt=512 long=2048 generate=128 bank=64 gather=10240 vectors=1000,100000,1000000
  hnsw=100000 lengths=1000,16000,80000 middle=100m ingest=0 peer_models=(reference 100m 1b)
  window=(--window 512 --overlap 128)
fi
everything=prefill,decode,together,attention,profile,ingest,bank,gather,search
sizes=(--prompt "$prompt" --generate "$generate" --ingest "$ingest" --bank-mib "$bank" --memory 0,512)

# The page itself may differ: an earlier run wrote it.
commit=$(git -C "$root" describe --always --exclude '*' --abbrev=10 2>/dev/null || echo unknown)
git -C "$root" diff --quiet HEAD -- . ':!docs/benchmarks.md' 2>/dev/null || commit+=-dirty
echo "$commit" >"$out/commit.txt"
of_cpu() { lscpu | sed -n "s/^$1: *//p" | head -n 1; }
{
  printf 'Machine: %s, %s CPUs, L2 %s, L3 %s' "$(of_cpu 'Model name')" "$(of_cpu 'CPU(s)')" "$(of_cpu 'L2 cache')" "$(of_cpu 'L3 cache')"
  awk '/MemTotal/ { printf ", %.0f GiB", $2 / 1048576 }' /proc/meminfo
  lscpu | grep -oE 'amx_bf16|avx512_bf16|avx512f' | sort -u | sed 's/^/, /' | tr -d '\n' || true
  echo .
} >"$out/machine.txt"
say "$(<"$out/machine.txt") load average $(cut -d' ' -f1 /proc/loadavg)"

if wanted openllama-3b; then
  section openllama-3b --shape $large --tests prefill,decode,profile,gather --prompt "$prompt" \
    --generate $((generate / 4)) --memory 0,1024 --gather-mib "$gather"
fi
if wanted openllama-3b-load; then
  if [[ -n $python ]]; then
    section openllama-3b-load --model "$(random_model $large)" --tests load
  else
    say "left out: openllama-3b-load (needs --python for a folder of random weights)"
  fi
fi
if wanted reference; then
  section reference --model "$root/models/reference" --tests "load,$everything" "${sizes[@]}" \
    --vectors "$vectors" --hnsw-vectors "$hnsw" --gather-mib "$gather"
fi
if wanted reference-dialog; then
  section reference-dialog --model "$root/models/reference" --tests dialog --dialog "$lengths"
fi
if wanted 100m; then
  section 100m --shape $middle --tests "$everything" "${sizes[@]}" --vectors "${vectors%,*}" --gather-mib "$gather" \
    "${window[@]}"
fi
if wanted 100m-dialog; then
  section 100m-dialog --shape $middle --tests dialog --dialog "$lengths" "${window[@]}"
fi
if wanted peers; then
  [[ -n $llama ]] || say "left out: llama.cpp (--llama-bench)"
  [[ -z $llama ]] || has gguf || say "left out: llama.cpp (--python with the package gguf)"
  has torch || say "left out: PyTorch (--python with torch)"
  for model in "${peer_models[@]}"; do
    if [[ $model == reference ]]; then
      folder=$root/models/reference
    elif [[ -n $python ]]; then
      folder=$(random_model "$model")
    else
      say "left out: peers-$model (needs --python for a folder of random weights)"
      continue
    fi
    dialog=()
    [[ $model != reference ]] || dialog=(--dialog "$lengths" --dialog-rounds $((quick ? 1 : 2)))
    peers "$model" "$folder" --prompt "$prompt,$long" --depth "$prompt,$long" --generate $((generate / 4)) "${dialog[@]}"
  done
fi

python3 "$root/bench/write_tables.py" "$page" "$out"
say "written: $page"
((${#failed[@]} == 0)) || die "left out, because they failed: ${failed[*]}"
