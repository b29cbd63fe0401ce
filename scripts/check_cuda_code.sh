#!/usr/bin/env bash
# Whether the CUDA kernels of a build are compiled for every GPU that is supported: machine code for
# sm_80 and sm_90, and PTX for what is newer; and whether its programs start where CUDA's libraries are
# not there. Where the build has no CUDA it says so, aloud, and passes.
#   scripts/check_cuda_code.sh [BUILD]     default build/release
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
refuse_option "$@"

build=$(realpath "${1:-$root/build/release}")
[[ -e $build/CMakeCache.txt ]] || die "$build is no build folder; run scripts/build.sh first"
if ! grep -q '^MEMLONG_CUDA_BUILT:INTERNAL=ON$' "$build/CMakeCache.txt"; then
  say "NOT COMPILED: the CUDA kernels. $build was made without CUDA (no nvcc of CUDA 12 or later, or" \
    "MEMLONG_CUDA=OFF); their tests ran on the processor only"
  exit 0
fi
cmake --build "$build" --parallel "$(nproc)" --target memlong_tensor memlong_ops ops_device_test </dev/null
commands=$(ninja -C "$build" -t commands memlong_ops)
count=0
for kernel in "$root"/src/ops/cuda/*.cu; do
  command=$(grep -F -- "-c $kernel " <<<"$commands" || true)
  for wanted in 'code=[sm_80]' 'code=[compute_90,sm_90]'; do
    grep -qF "$wanted" <<<"$command" || die "${kernel#"$root"/} is not compiled with $wanted in $build"
  done
  count=$((count + 1))
done
say "$count files of CUDA kernels are compiled for sm_80 and sm_90, and as PTX"
for program in "$build"/bin/memlong-*; do
  if needed=$(readelf -d "$program" | grep -E 'NEEDED.*lib(cu|nv)'); then
    die "${program#"$build/"} does not start without a library of CUDA: $needed"
  fi
done
say "no program needs a library of CUDA to start"
