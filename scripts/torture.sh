#!/usr/bin/env bash
# Kills the tools at random moments (SIGKILL) while they ingest, talk, prune, compact, forget and
# import, runs them again, and checks that nothing is lost or damaged. Installs and builds what is
# missing. The banks are made in $TMPDIR (/tmp) and go away; some 300 MB are needed.
#   scripts/torture.sh [N] [--seed S]   N: kills, default 300; S: repeats the draws of another run
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

kills=300
if [[ ${1:-} =~ ^[0-9]+$ ]]; then
  kills=$1
  shift
fi
[[ $# == 0 || ($# == 2 && $1 == --seed && $2 =~ ^[0-9]+$) ]] ||
  { say "usage: scripts/torture.sh [N] [--seed S]"; exit 2; }

scripts/setup.sh
scripts/build.sh release kills_test >&2
export GOMP_SPINCOUNT=1000 # threads that wait do not take the processor from others
exec build/release/bin/kills_test --kills "$kills" "$@"
