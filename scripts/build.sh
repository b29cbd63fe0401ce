#!/usr/bin/env bash
# Configures and builds. Binaries land in build/PRESET/bin.
#   scripts/build.sh [PRESET] [TARGET...]   PRESET: release (default), debug, asan, tsan
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
refuse_option "$@"
cd "$root"

preset=${1:-release}
shift || true
command -v cmake >/dev/null || die "cmake is missing; run scripts/setup.sh first"
targets=()
(($# == 0)) || targets=(--target "$@")

log=$(mktemp)
trap 'rm -f "$log"' EXIT
cmake --preset "$preset" >"$log" 2>&1 </dev/null || {
  cat "$log" >&2
  die "configuring preset '$preset' failed; its output stands above (is scripts/setup.sh done?)"
}
cmake --build --preset "$preset" --parallel "$(nproc)" "${targets[@]}" </dev/null
