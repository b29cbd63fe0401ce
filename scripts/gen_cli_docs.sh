#!/usr/bin/env bash
# Writes docs/cli-help.md: what --help of every tool and command prints.
#   scripts/gen_cli_docs.sh [BIN_DIR]           default: build/release/bin
#   scripts/gen_cli_docs.sh --check [BIN_DIR]   changes nothing; fails when the page is out of date
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

check=0
[[ ${1:-} != --check ]] || { check=1 && shift; }
refuse_option "$@"
bin=${1:-$root/build/release/bin}
page=$root/docs/cli-help.md

# A command's help up to the first heading that the tool's own help has too.
own_part() {
  awk 'NR == FNR { if (/:$/ && !/^ /) shared[$0]; next } $0 in shared { exit } { print }' \
    <(printf '%s\n' "$1") <(printf '%s\n' "$2")
}

block() { printf '\n```text\n%s\n```\n' "$1"; }

write_page() {
  local tool help command
  echo '# What --help prints'
  echo
  echo 'Written by `scripts/gen_cli_docs.sh`; do not edit. [cli.md](cli.md) explains. Commands show only'
  echo 'what they add to the options of their tool.'
  for tool in ingest chat serve bank eval bench train; do
    [[ -x $bin/memlong-$tool ]] || die "$bin has no memlong-$tool; run scripts/build.sh"
    help=$("$bin/memlong-$tool" --help)
    printf '\n## memlong-%s\n' "$tool"
    block "$help"
    for command in $(awk '/^Commands:$/ { on = 1; next } /^$/ { on = 0 } on && /^  [a-z]/ { print $1 }' <<<"$help"); do
      printf '\n### memlong-%s %s\n' "$tool" "$command"
      block "$(own_part "$help" "$("$bin/memlong-$tool" "$command" --help)")"
    done
  done
}

text=$(write_page)
if ((check)); then
  diff -u "$page" <(printf '%s\n' "$text") >&2 || die "docs/cli-help.md is out of date; run scripts/gen_cli_docs.sh"
else
  printf '%s\n' "$text" >"$page"
fi
