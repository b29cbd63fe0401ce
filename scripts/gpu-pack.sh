#!/usr/bin/env bash
# Packs what scripts/gpu-check.sh and scripts/gpu-bench.sh run for a machine with a GPU on which nothing
# can be installed: programs, device tests, and the shared libraries that they need. What must be there
# is the driver and cuBLAS of the same CUDA release (a toolkit, or Python's nvidia-cublas), tar and bash.
#   scripts/gpu-pack.sh [--bin DIR | --faiss PREFIX] [--arch LIST] [FILE]
#   --bin DIR       programs that were built with MEMLONG_CUDA=ON, MEMLONG_NATIVE=OFF and
#                   MEMLONG_TEST_ROOT=. ; else they are built, in build/gpu-pack
#   --faiss PREFIX  searches on the GPU too, with FAISS as scripts/gpu-faiss.sh installed it
#   --arch LIST     as CMAKE_CUDA_ARCHITECTURES; default 80-real;90
#   FILE            default build/gpu-pack.tar.xz. There, in a copy of the tree:
#                   scripts/gpu-check.sh --pack FILE, scripts/gpu-bench.sh --pack FILE
# Processors with AVX2 can run it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  say 'usage: scripts/gpu-pack.sh [--bin DIR | --faiss PREFIX] [--arch LIST] [FILE]'
  exit 2
}

bin='' arch='80-real;90' file='' prefix=''
while (($#)); do
  case $1 in
    --bin | --faiss | --arch) (($# >= 2)) || usage ;;&
    --bin) bin=$(realpath -m "$2") && shift ;;
    --faiss) prefix=$(realpath -m "$2") && shift ;;
    --arch) arch=$2 && shift ;;
    -*) usage ;;
    *) [[ -z $file ]] || usage
       file=$(realpath -m "$1") ;;
  esac
  shift
done
[[ -z $bin || -z $prefix ]] || usage
[[ -z $bin || -d $bin ]] || die "$bin: no folder with programs"
[[ -z $prefix || -d $prefix ]] || die "$prefix: no folder; scripts/gpu-faiss.sh builds FAISS for GPUs"
cd "$root"
file=${file:-$root/build/gpu-pack.tar.xz}

if [[ -z $bin ]]; then
  bin=$root/build/gpu-pack/bin
  rm -f "$bin/libmemlong_faiss_gpu.so"
  searches=()
  [[ -z $prefix ]] || searches=(-DMEMLONG_FAISS_GPU=ON "-DMEMLONG_FAISS_GPU_ROOT=$prefix")
  cmake -S . -B build/gpu-pack -G Ninja -DCMAKE_BUILD_TYPE=Release -DMEMLONG_CUDA=ON -DMEMLONG_NATIVE=OFF \
    -DMEMLONG_TEST_ROOT=. -DBLA_VENDOR=Generic -DCMAKE_CXX_FLAGS=-march=x86-64-v3 "-DCMAKE_CUDA_ARCHITECTURES=$arch" \
    -U 'MEMLONG_FAISS_GPU*' "${searches[@]}" >&2
  tests=$(cmake --build build/gpu-pack --target help | grep -oE '\b[a-z]+_device_test\b|\bmemlong_faiss_gpu\b' |
    sed 's/^memlong_faiss_gpu$/&\nretriever_test/' | sort -u)
  # shellcheck disable=SC2086  # one word each
  cmake --build build/gpu-pack --parallel "$(nproc)" --target $tests \
    memlong-eval memlong-train memlong-bench >&2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" "$work/lib" "$work/libc"
faiss=() # with what searches on a GPU, where it was built
[[ ! -e $bin/libmemlong_faiss_gpu.so ]] || faiss=("$bin/libmemlong_faiss_gpu.so" "$bin/retriever_test")
for program in "$bin"/*_device_test "$bin"/memlong-{eval,train,bench} "${faiss[@]}"; do
  [[ -x $program ]] || continue
  strip -o "$work/bin/${program##*/}" "$program"
done
[[ -n $(ls "$work/bin") ]] || die "$bin holds none of the programs"

# Where the reference BLAS is installed it goes along in OpenBLAS's place: a fifth of the size, and
# only searches use it.
plain_blas() { # NAME PATH
  local folder=lapack
  [[ $1 != libblas* ]] || folder=blas
  if [[ -e ${2%/*}/$folder/$1 ]]; then echo "${2%/*}/$folder/$1"; else echo "$2"; fi
}

needed() { # the libraries of programs and of what is in lib: NAME PATH
  LD_LIBRARY_PATH=$work/lib ldd "$work"/bin/* | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }' | sort -u
}
missing=$(ldd "$work"/bin/* | grep 'not found' | grep -v 'libcublas' | sort -u || true)
[[ -z $missing ]] || die "libraries are missing here: $missing"
for name in libblas.so.3 liblapack.so.3; do
  path=$(needed | awk -v name=$name '$1 == name { print $2; exit }')
  [[ -z $path ]] || cp -L "$(plain_blas $name "$path")" "$work/lib/$name"
done
while read -r name path; do
  case $name in
    libcublas* | libcuda.* | libnv*) ;;
    libc.so.* | libm.so.* | libdl.* | librt.* | libpthread.* | libresolv.*) cp -L "$path" "$work/libc/$name" ;;
    *) [[ -e $work/lib/$name ]] || cp -L "$path" "$work/lib/$name" ;;
  esac
done < <(needed)
cp -L /lib64/ld-linux-x86-64.so.2 "$work/libc/"
# cuBLASLt is loaded by its name; FAISS needs cuBLAS.
{
  LC_ALL=C grep -aoP 'libcublasLt\.so\.[0-9]+(?=\x00)' "$work/bin/memlong-bench" | sort -u ||
    die "the programs in $bin were built without CUDA"
  readelf -d "$work"/bin/* | sed -n "s/.*\[\(libcublas\.so\.[0-9]*\)\].*/\1/p" | sort -u | head -n 1
} >"$work/cublas"
# A program takes the folder of the loader for its own where that was packed too.
[[ ! -e $work/bin/libmemlong_faiss_gpu.so ]] || ln -s ../bin/libmemlong_faiss_gpu.so "$work/libc/"
cp scripts/gpu-run.sh "$work/run"
{ git rev-parse --short HEAD && { git diff --quiet HEAD || echo '(with changes)'; }; } >"$work/commit"

mkdir -p "$(dirname "$file")"
tar -C "$work" --sort=name --owner=0 --group=0 -cf - bin lib libc run cublas commit | xz -9 -T 1 >"$file"
say "$file: $(ls "$work/bin" | wc -l) programs, $(($(wc -c <"$file") >> 20)) MiB"
