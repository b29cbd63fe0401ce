#!/usr/bin/env bash
# The whole way on real text: a novel and a dialog of 81,000 tokens go into a bank on disk, the
# process ends, and new processes answer questions about what was said long ago. CPU only.
#   scripts/demo.sh [FOLDER]   FOLDER gets the bank and a log; default: demo-bank
# MEMLONG_BIN=DIR uses the binaries there and builds nothing.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
refuse_option "$@"
folder=$(realpath -m "${1:-$root/demo-bank}")
cd "$root"

model=models/reference
session=talk
bank=$folder/bank
log=$folder/demo.log

heading() { printf '\n== %s\n\n' "$*"; }
tell() { printf '%s\n' "$*" | fold -s -w 96 | sed 's/ *$//'; }
grouped() { LC_ALL=C printf '%s' "$1" | sed -E ':a; s/([0-9])([0-9]{3})($|,)/\1,\2\3/; ta'; }
mebibytes() { awk -v n="$1" 'BEGIN { printf "%.1f MiB", n / 1048576 }'; }

# Runs something whose output belongs in the log; when it fails, the end of the log is shown.
logged() {
  "$@" >>"$log" 2>&1 </dev/null || {
    tail -n 25 "$log" >&2
    die "'$(basename "$1")' failed; the end of $log stands above"
  }
}

# Runs a tool; what it says on the way goes to the log.
tool() {
  local program=$1
  shift
  "$bin/$program" "$@" 2>>"$log" </dev/null || {
    tail -n 25 "$log" >&2
    die "'$program' failed; the end of $log stands above"
  }
}

# The same for a long job: on a terminal its progress is shown.
long_tool() {
  if [[ -t 2 ]]; then
    "$bin/$1" "${@:2}" </dev/null || die "'$1' failed"
  else
    tool "$@"
  fi
}

prepare_folder() {
  if [[ -d $folder && ! -e $folder/.memlong-demo && -n $(ls -A "$folder") ]]; then
    die "$folder holds something that no demo made; name another folder"
  fi
  rm -rf "$bank" "$log"
  mkdir -p "$folder"
  touch "$folder/.memlong-demo" "$log"
}

get_ready() {
  heading '1. Getting ready'
  scripts/setup.sh
  bin=${MEMLONG_BIN:-$root/build/release/bin}
  if [[ -z ${MEMLONG_BIN:-} ]]; then
    echo 'Building the tools; the first time takes some minutes ...'
    logged scripts/build.sh release memlong-ingest memlong-chat memlong-bank
  fi
  tell "Ready after $(duration $SECONDS). The model is $model: 7 million parameters, a window of 320" \
    'tokens. It talks in the manner of task dialogs and knows nothing but what it is told.'
}

read_novel() {
  heading '2. A novel goes in'
  echo "\$ memlong-ingest --model $model --bank BANK --namespace books examples/novel.txt"
  local result
  result=$(long_tool memlong-ingest --model "$model" --bank "$bank" --namespace books --json examples/novel.txt)
  echo
  jq -r '[.tokens, .chunks, (.seconds * 10 | round / 10), (.tokens_per_second | round), .bank_bytes] | @tsv' \
    <<<"$result" | while read -r tokens chunks seconds rate bytes; do
    tell "\"The Mayor of Casterbridge\": $(grouped "$tokens") tokens became $(grouped "$chunks") chunks in" \
      "$seconds s ($(grouped "$rate") tokens a second); the bank on disk has $(mebibytes "$bytes")."
  done
}

read_dialog() {
  heading '3. A long dialog goes in'
  echo "\$ memlong-chat --model $model --bank BANK --session $session --dialog examples/dialog-80k.json"
  local start=$SECONDS
  long_tool memlong-chat --model "$model" --bank "$bank" --session "$session" \
    --dialog examples/dialog-80k.json >>"$log"
  echo
  tell "$(grouped "$(jq '.turns | length' examples/dialog-80k.json)") turns," \
    "$(grouped "$(jq .dialog_tokens examples/questions.json)") tokens, in $(duration $((SECONDS - start)))." \
    'The process has ended: from here on, all that is left of the dialog is on disk.'
  echo
  echo '$ memlong-bank stats --bank BANK'
  echo
  tool memlong-bank stats --bank "$bank" | sed 's/^/    /'
}

# ask QUESTION [OPTION...]: the answer of a process of its own; the session stays as it is.
ask() {
  local question=$1
  shift
  tool memlong-chat --model "$model" --bank "$bank" --session "$session" --no-save --temp 0 --json \
    "$@" --prompt "$question" | jq -r '.text | gsub("\\s+"; " ") | ltrimstr(" ")'
}

# verdict ANSWER EXPECTED
verdict() { if [[ $1 == *"$2"* ]]; then echo right; else echo wrong; fi; }

ask_questions() {
  heading '4. New processes answer'
  echo "\$ memlong-chat --model $model --bank BANK --session $session --no-save --prompt QUESTION [--no-memory]"
  local number=0 with=0 without=0 question expected fact ago answer mark
  while IFS=$'\t' read -r question expected fact ago; do
    number=$((number + 1))
    printf '\n%d. %s\n' "$number" "$question"
    printf '   said            %s tokens ago: "%s"\n' "$(grouped "$ago")" "$fact"
    printf '   to be answered  %s\n' "$expected"
    answer=$(ask "$question")
    mark=$(verdict "$answer" "$expected")
    [[ $mark != right ]] || with=$((with + 1))
    printf '   with memory     %-44s %s\n' "$answer" "$mark"
    answer=$(ask "$question" --no-memory)
    mark=$(verdict "$answer" "$expected")
    [[ $mark != right ]] || without=$((without + 1))
    printf '   --no-memory     %-44s %s\n' "$answer" "$mark"
  done < <(jq -r '.questions[] | [.question, .expected, .fact, .tokens_ago] | @tsv' examples/questions.json)
  echo
  tell "Right with memory: $with of $number. Right without: $without of $number. Both read the same last" \
    "window of the dialog; only the memory differs. $model/README.md has the shares over 192 such questions."
}

search_novel() {
  heading '5. The novel can be searched'
  local words='a man sells his wife to a sailor at the fair'
  echo "\$ memlong-bank search --bank BANK --model $model --namespace books \"$words\""
  echo
  tool memlong-bank search --bank "$bank" --model "$model" --namespace books --json "$words" |
    jq -r '(if type == "array" then . else .results end)[0:3][]
      | "score \(.score * 100 | round / 100), token \(.position): \(.text | gsub("\\s+"; " "))\n"' |
    fold -s -w 92 | sed 's/^/    /'
}

prepare_folder
tell 'memlong gives a language model a memory on disk. This demo feeds it a novel and a dialog far' \
  "longer than the model's window, and asks about both. BANK is ${bank#"$root"/}."
get_ready
read_novel
read_dialog
ask_questions
search_novel
heading 'Done'
tell "All of it took $(duration $SECONDS). The bank stays in ${folder#"$root"/}; go on talking with"
echo "  build/release/bin/memlong-chat --model $model --bank ${bank#"$root"/} --session $session"
