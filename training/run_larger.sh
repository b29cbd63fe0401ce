#!/usr/bin/env bash
# Trains a model of 37 M parameters from nothing, by the recipes of the reference model with more rows: the base,
# both parts of stage 1, the retriever, stage 2, the mean; then asks it what the reference model is asked.
#   training/run_larger.sh [--out DIR] [--bin DIR | --pack FILE] [--device NAME] [--quick]
#   --out DIR      what is made (runs/larger); the model is DIR/model, the answers are in DIR/answers
#   --bin DIR      programs (build/release/bin)
#   --pack FILE    what scripts/gpu-pack.sh made, for machines where nothing can be installed
#   --device NAME  where to compute: auto, cpu, cuda or cuda:N (auto)
#   --quick        two steps of each part and one question: tries the script, the model is worth nothing
# To be called where data/ lies: data/recall, data/books-train, data/books-validation and data/dialogs.jsonl, made as
# docs/training.md says. What is done stays: stopped, the same call goes on. It is work for a GPU.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

out=runs/larger bin=$root/build/release/bin pack='' device=auto quick=0
while (($#)); do
  case $1 in
    --out | --bin | --pack | --device) (($# >= 2)) || { say "run_larger.sh: $1 needs a value"; exit 2; } ;;&
    --out) out=$2 && shift ;;
    --bin) bin=$2 && shift ;;
    --pack) pack=$2 && shift ;;
    --device) device=$2 && shift ;;
    --quick) quick=1 ;;
    *) say "run_larger.sh: unknown option '$1' (--help says what there is)"; exit 2 ;;
  esac
  shift
done
for name in recall/dense-short.jsonl recall/dense-echo.jsonl recall/strange-8k.jsonl recall/dense-dev.jsonl \
  books-train books-validation dialogs.jsonl; do
  [[ -e data/$name ]] || die "no data/$name here; docs/training.md, \"From nothing to models/reference\", says how it is made"
done
if [[ -n $pack ]]; then
  [[ -f $pack ]] || die "$pack: no file"
  unpacked=$(mktemp -d)
  trap 'rm -rf "$unpacked"' EXIT
  unpack "$pack" "$unpacked"
  bin=$unpacked/bin
fi
[[ -x $bin/memlong-train && -x $bin/memlong-eval ]] || die "no memlong-train and memlong-eval in $bin"
memlong() { # TRAIN-OR-EVAL ARGUMENT...
  if [[ -n $pack ]]; then "$unpacked/run" "memlong-$1" "${@:2}"; else "$bin/memlong-$1" "${@:2}"; fi
}

mkdir -p "$out/start"
# Spans of the base may stand anywhere in 512 tokens; the recipes of the other parts say so themselves.
cp "$root"/models/reference/{generation_config.json,tokenizer.model,tokenizer_config.json} "$root"/training/larger/config.json "$out/start"
sed 's/^size = .*/size = 512/; s/^overlap = .*/overlap = 128/; /^\[adapter\]/,$d' "$root/training/larger/memlong.toml" >"$out/start/memlong.toml"

# train PART RESULT RECIPE MODEL OPTION...: a run that is finished stays as it is.
train() {
  local part=$1 result=$2 recipe=$3 model=$4
  shift 4
  [[ ! -e $out/$part/$result ]] || return 0
  ((quick == 0)) || set -- --rows 2 --steps 2 --warmup 1 --eval-batches 1 --distractors 0 --no-peak
  say "== $part"
  memlong train run --config "$root/configs/train/$recipe.toml" --model "$model" --device "$device" --out "$out/$part" "$@"
}
whole=model/model.safetensors
train base $whole pretrain-small "$out/start" --rows 64 --steps 2500
train stage1a $whole reference-stage1a "$out/base/model" --rows 64
train stage1b $whole reference-stage1h "$out/stage1a/model" --rows 48 --steps 6000 --warmup 100 --distractors 0:0,400:2,1200:8

# Windows as in use, and vectors that find what is asked for.
if [[ ! -e $out/model ]]; then
  say '== retriever'
  rm -rf "$out/model.part"
  cp -r "$out/stage1b/model" "$out/model.part"
  cp "$root/training/larger/memlong.toml" "$out/model.part"
  memlong train sif --model "$out/model.part" --adapter none --in-place --learn --vectors --passes $((quick ? 1 : 3)) --top-k 8 \
    --data dialogs:data/recall/mixed-8k.jsonl --data dialogs:data/recall/strange-8k.jsonl --data text:data/books-train
  mv "$out/model.part" "$out/model"
fi
train stage2 adapter/upper_layers.safetensors reference-stage2 "$out/model" --rows 32
if [[ ! -e $out/model/adapter ]]; then
  rm -rf "$out/mean"
  memlong train merge --model "$out/model" --adapter "$out/stage2/adapter" --share 0.5 --upper --out "$out/mean"
  mv "$out/mean" "$out/model/adapter"
fi

# Exact answers of both models to the same questions.
mkdir -p "$out/answers"
sets=("$root"/tests/data/recall/recall-*.jsonl "$root"/tests/data/recall-held/*.jsonl) few=()
((quick == 0)) || sets=("${sets[0]}") few=(--limit 1)
for set in "${sets[@]}"; do
  for model in "$out/model" "$root/models/reference"; do
    name=$(basename "$set" .jsonl)-$(basename "${model%/model}")
    answers=$out/answers/$name.txt
    if [[ ! -e $answers ]]; then
      memlong eval recall --dialogs "$set" --model "$model" --device "$device" "${few[@]}" -q >"$answers.part"
      mv "$answers.part" "$answers"
    fi
    printf '%s:\n' "$name"
    grep -E '^(distance|all|never)' "$answers"
  done
done
