#!/usr/bin/env bash
# Builds FAISS for GPUs: what libmemlong_faiss_gpu.so needs of it, as a static library. Then memlong is
# configured with -DMEMLONG_FAISS_GPU=ON -DMEMLONG_FAISS_GPU_ROOT=PREFIX; docs/gpu.md says what for.
#   scripts/gpu-faiss.sh [--arch LIST] [--whole] SOURCE [PREFIX]
#   SOURCE       a source tree of FAISS; only v1.14.3 was tried:
#                git clone --depth 1 --branch v1.14.3 https://github.com/facebookresearch/faiss
#   PREFIX       where it is installed; default build/faiss-gpu
#   --arch LIST  as CMAKE_CUDA_ARCHITECTURES; default 80-real;90. One alone is quicker to build and smaller
#   --whole      all kinds of index, not only what a flat one needs; takes several times as long
# Needs the CUDA toolkit, 12 or later, and what scripts/setup.sh installs. No GPU.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  say 'usage: scripts/gpu-faiss.sh [--arch LIST] [--whole] SOURCE [PREFIX]'
  exit 2
}

tried=1.14.3
arch='80-real;90' whole=OFF folders=()
while (($#)); do
  case $1 in
    --arch) (($# >= 2)) || usage; arch=$2 && shift ;;
    --whole) whole=ON ;;
    -*) usage ;;
    *) folders+=("$(realpath -m "$1")") ;;
  esac
  shift
done
((${#folders[@]} == 1 || ${#folders[@]} == 2)) || usage
source=${folders[0]} prefix=${folders[1]:-$root/build/faiss-gpu} build=$root/build/faiss-gpu-build
[[ -f $source/faiss/gpu/GpuIndexFlat.cu ]] || die "$source: no source tree of FAISS; git clone --depth 1" \
  "--branch v$tried https://github.com/facebookresearch/faiss"
version=$(sed -n 's/^ *VERSION \([0-9.]*\)$/\1/p' "$source/CMakeLists.txt" | head -n 1)
[[ $version == "$tried" ]] || say "gpu-faiss.sh: this is FAISS ${version:-of an unknown version}; only $tried was tried"
command -v cmake >/dev/null || die 'cmake is missing; run scripts/setup.sh first'
# Toolkits are often not on PATH.
nvcc=$(PATH=$PATH:${CUDA_HOME:+$CUDA_HOME/bin:}/usr/local/cuda/bin command -v nvcc) ||
  die 'no nvcc was found: put the CUDA toolkit on PATH, or set CUDA_HOME'

log=$build/log.txt
mkdir -p "$build"
# What CMake remembers of another tree or toolkit is not wanted; objects that still fit are kept.
rm -f "$build/CMakeCache.txt"
cmake -S "$root/cmake/faiss_gpu" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release "-DCMAKE_CUDA_COMPILER=$nvcc" \
  "-DCMAKE_CUDA_ARCHITECTURES=$arch" "-DFAISS_SOURCE=$source" "-DFAISS_WHOLE=$whole" \
  "-DCMAKE_INSTALL_PREFIX=$prefix" >"$log" 2>&1 </dev/null || {
  tail -n 20 "$log" >&2
  die "configuring FAISS failed; the end of $log stands above"
}
cmake --build "$build" --parallel "$(nproc)" --target faiss module_links </dev/null
cmake --install "$build" >>"$log" 2>&1 || die "installing to $prefix failed, see $log"
say "$prefix: FAISS ${version:-} for $arch in $(duration $SECONDS). Next: scripts/gpu-pack.sh --faiss $prefix," \
  "or cmake -DMEMLONG_FAISS_GPU=ON -DMEMLONG_FAISS_GPU_ROOT=$prefix"
