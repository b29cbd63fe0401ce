# The steps of gpu-check.sh and gpu-bench.sh, and their reports; read with `source`, not run. It
# sets: log (a file that gets all output), deadline (of SECONDS). After each step `said` is what the
# step had to say.
names=()
results=() # passed, failed, skipped, not run
times=()
sayings=()
step_log=''
said=''

# record NAME RESULT SECONDS [WHAT IT SAID]: RESULT of a step that is over.
record() {
  names+=("$1")
  results+=("$2")
  times+=("$3")
  said=${4:-}
  sayings+=("$said")
  printf '%-34s %-8s %4d s  %s\n' "$1" "$2" "$3" "$said" >&2
}

# The last step's result becomes RESULT, for a reason that its exit code does not tell.
overrule() {
  results[-1]=$1
  sayings[-1]=$2
  printf '%-34s %-8s         %s\n' "${names[-1]}" "$1" "$2" >&2
}

# The line of step_log that says it all.
last_word() {
  local line
  line=$(grep -aE '^(\[  (PASSED|FAILED)  \] [0-9]+ test|NOT TESTED|========= (ERROR|RACECHECK) SUMMARY|.*[Ee]rror: )' \
    "$step_log" | tail -n 1)
  [[ -n $line ]] || line=$(grep -av '^[[:space:]]*$' "$step_log" | tail -n 1)
  printf '%s' "${line:0:200}"
}

# step NAME SECONDS COMMAND...: at most so long, and not past the deadline; then it has 15 s to say what
# it has. 0 where it passed.
step() {
  local name=$1 limit=$2 start=$SECONDS code=0
  shift 2
  ((deadline - SECONDS >= limit)) || limit=$((deadline - SECONDS))
  : >"$step_log"
  if ((limit < 3)); then
    record "$name" 'not run' 0 'no time was left'
    return 1
  fi
  timeout --kill-after=15 "$limit" "$@" >"$step_log" 2>&1 </dev/null || code=$?
  {
    printf '\n===== %s (exit code %d)\n$' "$name" "$code"
    printf ' %q' "$@"
    printf '\n'
    cat "$step_log"
  } >>"$log"
  case $code in
    0) record "$name" passed $((SECONDS - start)) "$(last_word)" ;;
    124 | 137) record "$name" failed $((SECONDS - start)) "was stopped after $limit s: $(last_word)" ;;
    *) record "$name" failed $((SECONDS - start)) "exit code $code: $(last_word)" ;;
  esac
  [[ ${results[-1]} == passed ]]
}

# passed, or failed where a step failed or was not run.
whole_result() {
  local each
  for each in "${results[@]}"; do
    [[ $each != failed && $each != 'not run' ]] || { echo failed; return; }
  done
  echo passed
}

# One line, as a string of JSON.
json_string() {
  local text
  text=$(printf '%s' "$1" | tr '\t\n' '  ' | tr -d '\000-\037')
  text=${text//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

# write_json FACT...: facts are NAME=VALUE.
write_json() {
  local fact i comma=''
  printf '{\n'
  for fact in "$@"; do
    printf '  "%s": %s,\n' "${fact%%=*}" "$(json_string "${fact#*=}")"
  done
  printf '  "result": "%s",\n  "steps": [' "$(whole_result)"
  for i in "${!names[@]}"; do
    printf '%s\n    {"name": %s, "result": "%s", "seconds": %d, "said": %s}' "$comma" \
      "$(json_string "${names[i]}")" "${results[i]}" "${times[i]}" "$(json_string "${sayings[i]}")"
    comma=,
  done
  printf '\n  ]\n}\n'
}

# write_markdown TITLE TABLES FACT...: TABLES is a file with what follows the table of the steps.
write_markdown() {
  local title=$1 tables=$2 fact i
  shift 2
  printf '# %s: %s\n\n' "$title" "$(whole_result)"
  for fact in "$@"; do printf -- '- %s: %s\n' "${fact%%=*}" "${fact#*=}"; done
  printf '\n| step | result | seconds | |\n|---|---|---:|---|\n'
  for i in "${!names[@]}"; do
    printf '| %s | %s | %d | %s |\n' "${names[i]}" "${results[i]}" "${times[i]}" "${sayings[i]//|/\\|}"
  done
  [[ ! -s $tables ]] || { echo && cat "$tables"; }
}
