#!/usr/bin/env bash
# scripts/bench.sh --quick: all sections are written, text by hand stays, and a second run changes
# nothing but figures.
#   bench_script_test.sh SOURCE_DIR BIN_DIR
set -euo pipefail

source=$1 bin=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
page=$folder/page.md

fail() {
  printf 'bench_script_test: %s\n' "$*" >&2
  exit 1
}
run() {
  "$source/scripts/bench.sh" --quick --bin "$bin" --page "$page" --threads 1 "$@" 2>"$folder/err" ||
    { cat "$folder/err" >&2 && fail "bench.sh $*"; }
}
has() { grep -qF -- "$1" "$page" || { cat "$page" >&2 && fail "the page has no '$1'"; }; }
shape() { sed -E 's/Commit `[^`]*`/Commit/; s/[0-9][0-9.,]*/N/g; s/-+:?/-/g; s/ +/ /g' "$1"; }

printf '# Benchmarks\n\nBy hand, before.\n\n<!-- bench reference -->\nold\n<!-- /bench reference -->\n\nBy hand, behind.\n' >"$page"
run --only reference,100m-dialog,peers
for text in 'By hand, before.' 'By hand, behind.' '| pp16 |' '| search-1000 |' '| hnsw-500 |' \
  '| gather-8 |' '| load-again |' '| ingest:pp |' '| op16:gate_up |' '| dialog-1100 |' \
  '<!-- bench peers-reference -->' 'Medians of 1 rounds.' 'memlong-bench --model models/reference'; do
  has "$text"
done
! grep -qx old "$page" || fail "the old table is still there"
grep -q 'left out: llama.cpp' "$folder/err" || fail "it does not say that llama.cpp is left out"
grep -q 'left out: PyTorch' "$folder/err" || fail "it does not say that PyTorch is left out"

shape "$page" >"$folder/first"
run --only 100m-dialog,peers
shape "$page" | diff "$folder/first" - >&2 || fail "a second run changes the page's shape"

mkdir "$folder/empty"
printf '#!/bin/sh\nexit 1\n' >"$folder/empty/memlong-bench"
chmod +x "$folder/empty/memlong-bench"
cp "$page" "$folder/before.md"
! "$source/scripts/bench.sh" --quick --bin "$folder/empty" --page "$page" --only reference 2>"$folder/err" ||
  fail "a section that fails goes unnoticed"
grep -q 'failed: reference' "$folder/err" || fail "it does not say what failed"
cmp -s "$page" "$folder/before.md" || fail "a section that failed has changed the page"

! "$source/scripts/bench.sh" --page "$folder/none.md" 2>/dev/null || fail "a page that is not there is taken"
! "$source/scripts/bench.sh" --llama-bench "$folder/none" --page "$page" 2>/dev/null || fail "a peer that is not there is taken"

# A stand-in for llama-bench: as many tokens a second as it is asked for, in the form of its JSON.
cat >"$folder/llama-bench" <<'END'
#!/usr/bin/env bash
depth=0
while (($#)); do
  case $1 in -p) prompt=$2 ;; -n) generate=$2 ;; -d) depth=$2 ;; -r) repeat=$2 ;; esac
  shift
done
[[ $repeat == 1 ]] || exit 1
form='{"build_commit": "abc", "n_threads": 2, "n_prompt": %d, "n_gen": %d, "n_depth": %d, "avg_ts": 1.0, "samples_ts": [%d, 1, 9999]}'
echo '['
separator=
for count in ${prompt//,/ }; do
  printf "$separator$form" "$count" "$generate" "$depth" $((count + generate))
  separator=,
done
echo ']'
END
chmod +x "$folder/llama-bench"
python3 "$source/bench/peers/llama_cpp.py" none.gguf --llama-bench "$folder/llama-bench" --prompt 16,32 --depth 0,8 \
  --generate 4 --threads 2 --repeat 1 >"$folder/peer.json"
python3 - "$folder/peer.json" <<'END' || fail "llama_cpp.py reads llama-bench's JSON wrongly"
import json, sys
report = json.load(open(sys.argv[1]))
rows = {row["test"]: row["value"] for row in report["rows"]}
assert rows == {"pp16": 16, "pp32": 32, "tg4": 4, "tg4@8": 4}, rows
assert report["program"] == "llama.cpp abc", report
END
