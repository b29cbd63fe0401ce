#!/usr/bin/env bash
# What scripts/gpu-faiss.sh and scripts/gpu-pack.sh say before they build anything: usage, a folder that
# is not what it should be. Each is one line.
#   gpu_builds.sh ROOT
set -euo pipefail
root=$1
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
failures=0

# says CODE TEXT SCRIPT OPTION...: its exit code, and one line with the text.
says() {
  local want=$1 text=$2 script=$3 code=0
  shift 3
  "$root/scripts/$script" "$@" >"$made/said" 2>&1 </dev/null || code=$?
  if [[ $code != "$want" || $(wc -l <"$made/said") != 1 ]] || ! grep -qF -- "$text" "$made/said"; then
    echo "FAILED: $script $*: exit code $code, not $want, or not one line with '$text': $(cat "$made/said")"
    failures=$((failures + 1))
  fi
}

usage='usage: scripts/gpu-faiss.sh [--arch LIST] [--whole] SOURCE [PREFIX]'
says 2 "$usage" gpu-faiss.sh
says 2 "$usage" gpu-faiss.sh --arch
says 2 "$usage" gpu-faiss.sh --everything "$made"
says 2 "$usage" gpu-faiss.sh "$made" "$made/prefix" more
says 1 "$made/none: no source tree of FAISS; git clone" gpu-faiss.sh "$made/none"
says 1 "$made: no source tree of FAISS; git clone" gpu-faiss.sh --arch 90-real "$made" "$made/prefix"

usage='usage: scripts/gpu-pack.sh [--bin DIR | --faiss PREFIX] [--arch LIST] [FILE]'
says 2 "$usage" gpu-pack.sh --faiss
says 2 "$usage" gpu-pack.sh --bin "$made" --faiss "$made"
says 2 "$usage" gpu-pack.sh --nothing
says 2 "$usage" gpu-pack.sh one.tar.xz two.tar.xz
says 1 "$made/none: no folder; scripts/gpu-faiss.sh" gpu-pack.sh --faiss "$made/none"
says 1 "$made/none: no folder with programs" gpu-pack.sh --bin "$made/none"
says 1 "$made holds none of the programs" gpu-pack.sh --bin "$made"

if ((failures == 0)); then echo 'gpu_builds: as it should be'; fi
exit $((failures > 0))
