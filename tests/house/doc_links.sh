#!/usr/bin/env bash
# Fails when a relative link of a Markdown file leads to nothing.
#   doc_links.sh ROOT
set -euo pipefail
cd "$1"

links=0
failures=0
while IFS= read -r page; do
  # Fenced code is no text: what stands in it is not a link.
  while IFS= read -r link; do
    target=${link%%#*}
    [[ -n $target && $target != *://* && $target != mailto:* ]] || continue
    links=$((links + 1))
    [[ -e $(dirname "$page")/$target ]] || {
      echo "$page: link to $target, which does not exist"
      failures=$((failures + 1))
    }
  done < <(awk '/^[[:space:]]*```/ { fenced = !fenced; next } !fenced' "$page" |
    grep -oE '\]\([^) ]+' | sed 's/^](//' || true)
done < <(find . -name '*.md' -not -path './build/*' -not -path './.*' | sort)

echo "doc_links: $links relative links, $failures broken"
((failures == 0))
