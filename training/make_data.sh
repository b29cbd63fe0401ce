#!/usr/bin/env bash
# Writes the recall dialogs that the reference model is trained on.
#   make_data.sh OUT_DIR SGD_FILE [--books DIR] [--seed N] [--jobs N] [--dense-short N] [--dense-long N]
#               [--dense-hard N] [--dense-calm N] [--dense-strange N] [--dense-full N] [--dense-echo N] [--dense-alike N]
#               [--mixed-2k N] [--mixed-8k N] [--full-3k N] [--full-8k N] [--strange-3k N] [--strange-8k N]
#               [--alike-8k N] [--echo-3k N] [--dev N]
# SGD_FILE: the dialogs that fill the gaps, lines "User: ..." and "System: ...", a blank line between two.
# --jobs: files that are written at the same time; default: one for each processor. N of a file: its dialogs.
# --books: texts whose words stand in for known ones; without it dense-strange, dense-full,
# dense-echo, dense-alike, strange-3k, strange-8k, alike-8k and echo-3k are left out.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

(($# >= 2)) || { sed -n '2,10s/^# //p' "$0" >&2; exit 2; }
out=$1
filler=$2
shift 2
declare -A count=([seed]=1 [jobs]=$(nproc) [dense-short]=40000 [dense-long]=60000 [dense-hard]=100000
  [dense-calm]=150000 [dense-strange]=130000 [dense-full]=40000 [dense-echo]=34000 [dense-alike]=30000
  [mixed-2k]=6000 [mixed-8k]=1500 [full-3k]=1500 [full-8k]=600 [strange-3k]=1500 [strange-8k]=1000 [alike-8k]=1200 [echo-3k]=1500 [dev]=300)
lexicon=()
while (($#)); do
  if [[ $1 == --books && $# -ge 2 ]]; then
    lexicon=(--lexicon "$2"/*.txt)
    [[ -f ${lexicon[1]} ]] || { echo "make_data.sh: no *.txt in $2" >&2; exit 2; }
    shift 2
    continue
  fi
  name=${1#--}
  [[ -n ${count[$name]:-} && $# -ge 2 ]] || { echo "make_data.sh: unknown option or no value: $1" >&2; exit 2; }
  [[ $2 =~ ^(0|[1-9][0-9]*)$ && $name$2 != jobs0 ]] || { echo "make_data.sh: $1 takes a number, not '$2'" >&2; exit 2; }
  count[$name]=$2
  shift 2
done

mkdir -p "$out"
running=0 failed=0
wait_for_one() {
  wait -n || failed=1
  running=$((running - 1))
}
# write NAME COUNT SEED OPTIONS...: begins with it when fewer than --jobs are being written. Nothing new after a failure.
write() {
  local name=$1 n=$2 seed=$3
  shift 3
  while ((running >= count[jobs])); do wait_for_one; done
  ((n > 0 && failed == 0)) || return 0
  {
    python3 "$here/recallgen" --filler "$filler" --count "$n" --seed "$seed" --out "$out/$name.jsonl.part" "$@"
    mv "$out/$name.jsonl.part" "$out/$name.jsonl"
    echo "$out/$name.jsonl: $n dialogs"
  } &
  running=$((running + 1))
}
seed=${count[seed]}
write dense-short "${count[dense-short]}" "$seed" --mode dense --tokens 128 --facts 2-3
write dense-long "${count[dense-long]}" "$seed" --mode dense --tokens 256 --facts 4-8
# Many facts told anew, many questions for what was never said.
write dense-hard "${count[dense-hard]}" "$seed" --mode dense --tokens 256 --facts 3-8 --changed 0.22 --never 0.22
write dense-calm "${count[dense-calm]}" "$seed" --mode dense --tokens 256 --facts 3-8 --changed 0.22 --never 0.08
write mixed-2k "${count[mixed-2k]}" "$seed" --mode mixed --tokens 1000-3000
write mixed-8k "${count[mixed-8k]}" "$seed" --mode mixed --tokens 4000-16000
# The same with more to answer in as many tokens.
write full-3k "${count[full-3k]}" "$seed" --mode mixed --tokens 1500-4000 --facts-per-1k 13 --asks-per-fact 1.6 --changed 0.25 --never 0.18
write full-8k "${count[full-8k]}" "$seed" --mode mixed --tokens 6000-14000 --facts-per-1k 10 --asks-per-fact 1.5 --changed 0.22 --never 0.18
if ((${#lexicon[@]})); then
  # Any words, so that looking helps and knowing does not.
  write dense-strange "${count[dense-strange]}" "$seed" --mode dense --tokens 256 --facts 3-8 --changed 0.22 --never 0.10 \
    "${lexicon[@]}" --strange 0.4
  # As many facts as fit.
  write dense-full "${count[dense-full]}" "$((seed + 1))" --mode dense --tokens 256 --facts 8-12 --changed 0.15 --never 0.08 \
    "${lexicon[@]}" --strange 0.4
  # Words to repeat, long values, more that is told anew.
  write dense-echo "${count[dense-echo]}" "$((seed + 2))" --mode dense --tokens 256 --facts 6-11 --changed 0.3 --never 0.10 \
    "${lexicon[@]}" --strange 0.4 --echo 0.3
  # Several codes, several animals: which is meant?
  write dense-alike "${count[dense-alike]}" "$((seed + 10))" --mode dense --tokens 256 --facts 6-11 --changed 0.25 --never 0.10 \
    "${lexicon[@]}" --strange 0.25 --echo 0.15 --alike 0.5
  write strange-3k "${count[strange-3k]}" "$seed" --mode mixed --tokens 1500-4000 --facts-per-1k 13 --asks-per-fact 1.6 \
    --changed 0.25 --never 0.10 "${lexicon[@]}" --strange 0.3
  write strange-8k "${count[strange-8k]}" "$seed" --mode mixed --tokens 6000-14000 --facts-per-1k 10 --asks-per-fact 1.5 \
    --changed 0.22 --never 0.10 "${lexicon[@]}" --strange 0.3
  write alike-8k "${count[alike-8k]}" "$((seed + 10))" --mode mixed --tokens 6000-14000 --facts-per-1k 10 --asks-per-fact 1.5 \
    --changed 0.22 --never 0.10 "${lexicon[@]}" --strange 0.15 --alike 0.5
  write echo-3k "${count[echo-3k]}" "$((seed + 2))" --mode mixed --tokens 1500-4000 --facts-per-1k 13 --asks-per-fact 1.6 \
    --changed 0.35 --never 0.22 "${lexicon[@]}" --strange 0.3 --echo 0.12
fi
# The same kind again, to watch during training: other names, numbers and combinations.
write dense-dev "${count[dev]}" "$((seed + 1000000))" --mode dense --tokens 256 --facts 4-8
write dense-held "${count[dev]}" "$((seed + 1000000))" --mode dense --tokens 256 --facts 4-8 --split held-wordings
write dense-held-relations "${count[dev]}" "$((seed + 1000000))" --mode dense --tokens 256 --facts 4-8 --split held-relations
write dense-never "${count[dev]}" "$((seed + 1000000))" --mode dense --tokens 256 --facts 4-8 --never 0.7
write mixed-dev "$((count[dev] / 10 + (count[dev] > 0 && count[dev] < 10)))" "$((seed + 1000000))" --mode mixed --tokens 1000-3000
while ((running > 0)); do wait_for_one; done
exit $failed
