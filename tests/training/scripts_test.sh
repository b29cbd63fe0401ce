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
echo "all well"
