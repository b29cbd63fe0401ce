# A machine that only says it has a GPU, with programs that only play their part: for the tests of
# gpu-check.sh and gpu-bench.sh. Read with `source`, not run. It sets: root, script (of scripts/), given
# (an array: options of every run). `made` is its folder; `failures` counts.
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
mkdir "$made/path" "$made/bin"
failures=0

# program NAME: standard input is what it does.
program() { { echo '#!/bin/bash' && cat; } >"$made/$1" && chmod +x "$made/$1"; }

# check CODE OPTION...: runs the script; its exit code must be CODE.
check() {
  local want=$1 code=0
  shift
  rm -rf "$made/out"
  PATH=$made/path:$PATH "$root/scripts/$script" "${given[@]}" --out "$made/out" "$@" \
    >"$made/stdout" 2>"$made/stderr" </dev/null || code=$?
  [[ $code == "$want" ]] || wrong "exit code $code, not $want: $(cat "$made/stderr")"
}
wrong() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}
# reports FILE TEXT...: each stands in the file.
reports() {
  local file=$made/$1 text
  shift
  for text in "$@"; do
    grep -qF -- "$text" "$file" || wrong "'$text' is not in: $(cat "$file")"
  done
}
