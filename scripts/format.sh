#!/usr/bin/env bash
# Formats src, tools, tests and examples with clang-format 14, or says which files would change.
#   scripts/format.sh [--check]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

format=$(clang_tool clang-format)
[[ -n $format ]] || die "clang-format 14 is missing; run scripts/setup.sh --dev"
mapfile -t files < <(formatted_files)
case "${1:-}" in
  '') "$format" -i --style=file "${files[@]}" ;;
  --check)
    bad=()
    for file in "${files[@]}"; do
      "$format" --style=file "$file" | cmp -s - "$file" || bad+=("${file#"$root"/}")
    done
    ((${#bad[@]} == 0)) || {
      printf '%s\n' "${bad[@]}" >&2
      die "${#bad[@]} of ${#files[@]} files are not formatted; run scripts/format.sh"
    }
    say "format: ${#files[@]} files are as clang-format 14 wants them"
    ;;
  *) die "unknown option '$1'; usage: scripts/format.sh [--check]" ;;
esac
