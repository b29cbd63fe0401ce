#!/usr/bin/env bash
# Fails when a file has more than 500 lines, or when half of the files have 120 lines or more.
#   file_lengths.sh ROOT
set -euo pipefail
cd "$1"

roots=()
for folder in src tools tests scripts cmake .ci; do [[ -d $folder ]] && roots+=("$folder"); done
((${#roots[@]})) || { echo "file_lengths: nothing to look at in $1"; exit 1; }

find "${roots[@]}" -type f \( -name '*.cpp' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' -o -name '*.py' \
  -o -name '*.sh' -o -name '*.awk' -o -name '*.cmake' -o -name CMakeLists.txt \) -print0 |
  { xargs -0 -r grep -c -H '' || true; } | sort -t: -k2n |
  awk -F: -v longest=500 -v typical=120 '
    { lines[NR] = $2 }
    $2 > longest { printf "%s has %d lines, more than %d: split it\n", $1, $2, longest; failures++ }
    END {
      if (NR == 0) { print "file_lengths: no files"; exit 1 }
      median = lines[int((NR + 1) / 2)]
      printf "file_lengths: %d files, median %d lines, longest %d\n", NR, median, lines[NR]
      if (median >= typical) { printf "half of the files have %d lines or more\n", typical; failures++ }
      exit failures > 0
    }'
