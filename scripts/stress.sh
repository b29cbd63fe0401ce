#!/usr/bin/env bash
# Ingests, talks, searches, prunes, forgets and compacts at once in one process, and checks what is
# served and what stays (tests/engine/stress_test.cpp). Installs and builds what is missing.
#   scripts/stress.sh SECONDS [PRESET]   PRESET: tsan (default: the thread sanitizer), asan, release
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
refuse_option "$@"
cd "$root"

seconds=${1:-}
preset=${2:-tsan}
[[ $seconds =~ ^[0-9]+$ && $# -le 2 ]] || { say "usage: scripts/stress.sh SECONDS [PRESET]"; exit 2; }

scripts/setup.sh
scripts/build.sh "$preset" engine_test >&2
export GOMP_SPINCOUNT=1000 # threads that wait do not take the processor from others
MEMLONG_STRESS_SECONDS=$seconds exec "build/$preset/bin/engine_test" --gtest_filter='Stress.*'
