#!/usr/bin/env bash
# Runs clang-tidy 14 on the given .cpp files, or on those that differ from BASE, or on all.
#   scripts/tidy.sh [FILE...]        default: files that differ from origin/main, or from HEAD
#   scripts/tidy.sh --all
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

tidy=$(clang_tool clang-tidy)
[[ -n $tidy ]] || die "clang-tidy 14 is missing; run scripts/setup.sh --dev"

# Changed against the published branch, and not yet committed or not yet known to git.
changed_files() {
  local base=HEAD
  ! git rev-parse -q --verify origin/main >/dev/null || base=$(git merge-base origin/main HEAD)
  git diff --name-only --diff-filter=d "$base" -- '*.cpp'
  git ls-files --others --exclude-standard -- '*.cpp'
}

case "${1:-}" in
  --all) mapfile -t files < <(formatted_files | grep '\.cpp$') ;;
  '') mapfile -t files < <(changed_files | sort -u) ;;
  *) refuse_option "$@" && files=("$@") ;;
esac
if ((${#files[@]} == 0)); then
  say "tidy: nothing to look at"
  exit 0
fi
# A folder of its own: ccache's launcher and -march=native flags stay out of the way.
cmake -S . -B build/tidy -G Ninja -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DCMAKE_BUILD_TYPE=Debug \
  -DMEMLONG_NATIVE=OFF >/dev/null
# clang 14 knows the coroutines of C++20 and does not say so, neither to libstdc++ nor to Boost.
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" "$tidy" -p build/tidy --quiet \
  --extra-arg=-D__cpp_impl_coroutine=201902L --extra-arg=-DBOOST_ASIO_HAS_CO_AWAIT \
  --extra-arg=-DBOOST_ASIO_HAS_STD_COROUTINE
say "tidy: ${#files[@]} files are clean"
