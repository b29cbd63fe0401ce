#!/usr/bin/env bash
# Writes the recall dialogs that the reference model is trained on.
#   make_data.sh OUT_DIR SGD_FILE [--seed N] [--dense-short N] [--dense-long N] [--mixed-2k N] [--mixed-8k N] [--dev N]
# SGD_FILE: the dialogs that fill the gaps, lines "User: ..." and "System: ...", a blank line between two.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

(($# >= 2)) || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
out=$1
filler=$2
shift 2
declare -A count=([seed]=1 [dense-short]=40000 [dense-long]=60000 [mixed-2k]=6000 [mixed-8k]=1500 [dev]=300)
while (($#)); do
  name=${1#--}
  [[ -n ${count[$name]:-} && $# -ge 2 ]] || { echo "make_data.sh: unknown option or no value: $1" >&2; exit 2; }
  count[$name]=$2
  shift 2
done

mkdir -p "$out"
write() { # NAME COUNT SEED OPTIONS...
  local name=$1 n=$2 seed=$3
  shift 3
  ((n > 0)) || return 0
  python3 "$here/recallgen" --filler "$filler" --count "$n" --seed "$seed" --out "$out/$name.jsonl" "$@"
  echo "$out/$name.jsonl: $n dialogs"
}
seed=${count[seed]}
write dense-short "${count[dense-short]}" "$seed" --mode dense --tokens 128 --facts 2-3
write dense-long "${count[dense-long]}" "$seed" --mode dense --tokens 256 --facts 4-8
write mixed-2k "${count[mixed-2k]}" "$seed" --mode mixed --tokens 1000-3000
write mixed-8k "${count[mixed-8k]}" "$seed" --mode mixed --tokens 4000-16000
# The same kind again, to watch during training: other names, numbers and combinations.
write dense-dev "${count[dev]}" "$((seed + 1000000))" --mode dense --tokens 256 --facts 4-8
write mixed-dev "$((count[dev] / 10))" "$((seed + 1000000))" --mode mixed --tokens 1000-3000
