#!/usr/bin/env bash
# Installs the Debian packages that memlong is built from. Does nothing where all are there.
#   scripts/setup.sh         what building, testing and the demo need
#   scripts/setup.sh --dev   and clang-format, clang-tidy, and clang for fuzzing
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages=(
  g++ cmake ninja-build pkg-config ccache jq
  libdnnl-dev libfaiss-dev libopenblas-dev liblmdb-dev libsentencepiece-dev
  libpcre2-dev libutf8proc-dev libboost-dev
  libtomlplusplus-dev nlohmann-json3-dev libspdlog-dev libfmt-dev libedit-dev
  libssl-dev libgtest-dev libgmock-dev
)
case "${1:-}" in
  '') ;;
  --dev) packages+=(clang-format-14 clang-tidy-14 clang-14 libclang-rt-14-dev) ;;
  *) die "unknown option '$1'; usage: scripts/setup.sh [--dev]" ;;
esac

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || die \
  "this is not Debian or Ubuntu (no apt-get). Install what these packages hold in your" \
  "system's own way, then run scripts/build.sh: ${packages[*]}"

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0

as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || die "not root and no sudo here. Run as root: apt-get install ${missing[*]}"
  as_root=(sudo)
fi
say "Installing ${#missing[@]} Debian packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() { "${as_root[@]}" "$@" </dev/null >"$log" 2>&1; }
run apt-get update || say "apt-get update failed (offline?); going on with the package lists at hand"
run env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" || {
  tail -n 20 "$log" >&2
  die "apt-get could not install the packages; its last lines stand above"
}
