#!/usr/bin/env bash
# Fails, naming file and line, when an #include goes upward or a library's header is included
# outside the place that wraps it.
#   include_directions.sh ROOT
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$1"

roots=()
for folder in src tools; do [[ -d $folder ]] && roots+=("$folder"); done
((${#roots[@]})) || { echo "include_directions: no src or tools in $1"; exit 1; }

find "${roots[@]}" -type f \( -name '*.cpp' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' \) -print0 |
  xargs -0 -r grep -nHE '^[[:space:]]*#[[:space:]]*include' |
  awk -v parts="$here/include_table.txt" -v libraries="$here/third_party_table.txt" \
    -f "$here/include_directions.awk"
