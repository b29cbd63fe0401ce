#!/usr/bin/env bash
# Scripts print their head for --help, refuse options that they do not know, and do nothing else then.
#   script_arguments_test.sh ROOT
set -euo pipefail
root=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
count=0
for script in "$root"/scripts/*.sh; do
  name=$(basename "$script")
  case $name in lib.sh | gpu-lib.sh | gpu-report.sh | gpu-sections.sh | gpu-run.sh) continue ;; esac
  help=$(timeout 20 "$script" --help </dev/null) || { echo "$name --help: exit code $?"; exit 1; }
  [[ $help == *"scripts/$name"* ]] || { echo "$name --help does not say how it is called"; exit 1; }
  code=0
  text=$(timeout 20 "$script" --no-such-option </dev/null 2>&1) || code=$?
  ((code == 1 || code == 2)) || { echo "$name --no-such-option: exit code $code"; exit 1; }
  [[ -n $text ]] || { echo "$name --no-such-option says nothing"; exit 1; }
  count=$((count + 1))
done
((count >= 15)) || { echo "only $count scripts"; exit 1; }
[[ -z $(ls -A "$work") && ! -e $root/--no-such-option && ! -e $root/--help ]] ||
  { echo "something was made: $(ls -A "$work")"; exit 1; }
echo "$count scripts"
