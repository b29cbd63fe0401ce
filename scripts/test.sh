#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test.
#   scripts/test.sh [PRESET] [CTEST OPTION...]   for example: scripts/test.sh debug -R Bank
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
refuse_option "$@"
cd "$root"

preset=${1:-release}
shift || true
scripts/setup.sh
if [[ -n $(clang_tool clang-format) ]]; then
  scripts/format.sh --check
else
  say "NOT CHECKED: the format of the sources (no clang-format 14; scripts/setup.sh --dev installs it)"
fi
scripts/build.sh "$preset"
ctest --preset "$preset" --parallel "$(nproc)" --no-tests=error "$@" </dev/null
