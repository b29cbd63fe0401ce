#!/usr/bin/env bash
# The dictionary of the Focused Transformer: trains a model from nothing, with strangers' records among those it reads
# and without, and asks both among 4 thousand to a million tokens. Training takes about twelve minutes on two cores, a million tokens longer.
#   run_dictionary.sh [OUT_DIR [BIN_DIR]]        (runs/dictionary, build/release/bin)
# What is there already is kept: a second run goes on where the first was stopped.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

(($# <= 2)) && [[ ${1:-} != -* ]] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
out=${1:-runs/dictionary}
bin=${2:-$root/build/release/bin}
[[ -x $bin/memlong-train ]] || { echo "run_dictionary.sh: no memlong-train in $bin" >&2; exit 1; }
mkdir -p "$out"

dictionary() { # FILE OPTIONS...
  local file=$out/$1
  shift
  [[ -e $file ]] && return
  python3 "$root/training/dictionary" "$@" --out "$file.part"
  mv "$file.part" "$file"
}
dictionary model --mode model
dictionary short.jsonl --mode train --records 1-3 --count 60000 --seed 1
dictionary records.jsonl --mode train --records 2-8 --count 120000 --seed 3
dictionary dev.jsonl --mode train --records 2-8 --count 500 --seed 1001

train() { # NAME RECIPE MODEL OPTIONS...
  local name=$1 recipe=$2 model=$3
  shift 3
  [[ -e $out/$name/model/model.safetensors ]] && return
  "$bin/memlong-train" run --config "$root/configs/train/dictionary-$recipe.toml" --model "$model" \
    --data "dialogs:$out/${data:-records.jsonl}" --eval-data "dev=dialogs:$out/dev.jsonl" --out "$out/$name" "$@"
}
data=short.jsonl train a a "$out/model"
train with b "$out/a/model"
train without b "$out/a/model" --distractors 0
for model in with without; do cp "$out/model/memlong.toml" "$out/$model/model"; done  # windows as in use

# Shares of 200 (of many records: 50) questions that are answered exactly: every chunk read, and the 32 that are retrieved.
for records in 400 1600 6400 25600 102400; do
  questions=$((records > 6400 ? 50 : 200))
  dictionary "test-$records.jsonl" --mode test --records "$records" --questions "$questions" --count 1 --seed 7
  for model in with without; do
    for how in --dense --top-k=32; do
      printf '%7d tokens, trained %-8s distractors, %-9s ' $((records * 10)) "$model" "$how:"
      "$bin/memlong-eval" recall --model "$out/$model/model" --dialogs "$out/test-$records.jsonl" "$how" -q | grep -m1 ^all
    done
  done
done
