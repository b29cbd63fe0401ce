#!/usr/bin/env bash
# Writes the evaluation sets of tests/data/recall-held: what is kept out of training, changed facts, things never said.
#   make_eval.sh OUT_DIR SGD_FILE [TOKENS DIALOGS QUESTIONS]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

(($# == 2 || $# == 5)) || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
out=$1
filler=$2
tokens=${3:-8000}
mkdir -p "$out"
for split in held-relations held-wordings changed never; do
  python3 "$here/recallgen" --mode far --split "$split" --filler "$filler" --seed 7 --tokens "$tokens" \
    --count "${4:-4}" --questions "${5:-36}" --out "$out/$split-$((tokens / 1000))k.jsonl"
done
