#!/usr/bin/env bash
# The scripts in training/ around generators that fail, or write little. Usage: scripts_test.sh SOURCE_DIR
set -euo pipefail
root=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "scripts_test: $*" >&2; exit 1; }

# A generator: as many lines as --count says into the file behind --out; with FAIL set it stops midway.
mkdir "$work/bin"
cat >"$work/bin/python3" <<'END'
#!/usr/bin/env bash
while (($#)); do
  [[ $1 != --out ]] || out=$2
  [[ $1 != --count ]] || count=$2
  shift
done
echo line >"$out"
[[ -z ${FAIL:-} ]] || exit 1
for ((i = 1; i < count; ++i)); do echo line; done >>"$out"
END
chmod +x "$work/bin/python3"
export PATH=$work/bin:$PATH

none=()
for name in dense-long dense-hard dense-calm mixed-2k mixed-8k full-3k full-8k; do none+=("--$name" 0); done

FAIL=1 "$root/training/make_data.sh" "$work/half" none --dense-short 5 "${none[@]}" 2>/dev/null && fail "no error"
compgen -G "$work/half/*.jsonl" >/dev/null && fail "half a file has its final name"

"$root/training/make_data.sh" "$work/data" none --dense-short 5 "${none[@]}" --dev 3 >/dev/null
[[ $(wc -l <"$work/data/dense-short.jsonl") == 5 ]] || fail "dense-short"
[[ $(wc -l <"$work/data/mixed-dev.jsonl") == 1 ]] || fail "no dialog in mixed-dev"
compgen -G "$work/data/*.part" >/dev/null && fail "a part is left"
"$root/training/make_data.sh" "$work/data" none --dense-short 0 "${none[@]}" --dev 40 >/dev/null
[[ $(wc -l <"$work/data/mixed-dev.jsonl") == 4 ]] || fail "mixed-dev"

FAIL=1 "$root/training/make_data.sh" "$work/failing" none "${none[@]}" --jobs 1 >/dev/null 2>&1 && fail "no error with one job"
[[ $(find "$work/failing" -name '*.part' | wc -l) == 1 ]] || fail "it goes on after a failure"
for value in 0 00 many; do
  "$root/training/make_data.sh" "$work/none" none --jobs $value 2>/dev/null && fail "--jobs $value"
done
"$root/training/make_data.sh" "$work/three" none --dense-short 5 "${none[@]}" --dev 3 --jobs 3 >/dev/null
"$root/training/make_data.sh" "$work/one" none --dense-short 5 "${none[@]}" --dev 3 --jobs 1 >/dev/null
diff -r "$work/one" "$work/three" || fail "other files with three jobs"

# run_larger.sh beside programs that write what is expected of them and tell how they were called.
larger=$root/training/run_larger.sh
"$larger" --help | grep -q 'run_larger.sh \[--out' || fail "run_larger.sh --help"
cd "$work"
"$larger" 2>"$work/said" && fail "run_larger.sh without data"
grep -q 'no data/recall/dense-short.jsonl here' "$work/said" || fail "it does not say which data are missing"
mkdir -p data/recall data/books-train data/books-validation programs
touch data/dialogs.jsonl data/recall/{dense-short,dense-echo,strange-8k,dense-dev}.jsonl
cat >programs/memlong-train <<'END'
#!/usr/bin/env bash
echo "$*" >>calls
while (($#)); do
  [[ $1 != --out ]] || out=$2
  [[ $1 != merge ]] || merge=1
  shift
done
[[ -n ${out:-} ]] || exit 0
[[ $out != "${STOP:-}" ]] || exit 130
mkdir -p "$out"
if [[ -n ${merge:-} ]]; then touch "$out/upper_layers.safetensors"; exit; fi
mkdir "$out/model" "$out/adapter"
touch "$out/model/model.safetensors" "$out/adapter/upper_layers.safetensors"
END
cat >programs/memlong-eval <<'END'
#!/usr/bin/env bash
echo "$*" >>calls
echo "all 10 50.0 %"
END
chmod +x programs/*
run_larger() { "$larger" --bin programs --out made --device cpu 2>/dev/null; }
code=0
STOP=made/stage1b run_larger >/dev/null || code=$?
((code == 130)) || fail "stopped, and the exit code is $code"
[[ $(grep -c '^run' calls) == 3 ]] || fail "not three runs before the stop"
run_larger >answers || fail "it does not go on"
[[ $(grep -c '^run' calls) == 5 && $(grep -c '^sif' calls) == 1 && $(grep -c '^merge' calls) == 1 ]] ||
  fail "it does not go on where it was stopped"
grep -q '^run .*reference-stage2.toml --model made/model .*--rows 32$' calls || fail "stage 2 is not called so"
[[ -e made/model/adapter/upper_layers.safetensors ]] || fail "no adapter"
grep -q '^path = "adapter"' made/model/memlong.toml || fail "its settings do not name the adapter"
grep -q '^size = 512' made/start/memlong.toml || fail "windows of the base"
files=("$root"/tests/data/recall{/recall-*,-held/*}.jsonl)
sets=${#files[@]}
[[ $(grep -c '^recall' calls) == $((2 * sets)) && $(grep -c '^all' answers) == $((2 * sets)) ]] || fail "answers"
cp calls before
run_larger | cmp -s - answers || fail "other answers when called again"
cmp -s calls before || fail "something was done twice"
echo "all well"
