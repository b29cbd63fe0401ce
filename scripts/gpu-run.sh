#!/usr/bin/env bash
# Starts a program of a folder that gpu-pack.sh made: with the libraries that were packed, with the
# machine's own cuBLAS, and with the packed C library where the machine's is too old.
#   FOLDER/run PROGRAM [ARGUMENT...]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
program=$here/bin/$1
shift

# folder_of LIBRARY: in the toolkit's folders, those of Python's packages of it, and what the system knows.
folder_of() {
  local name=$1 nvcc python file
  nvcc=$(command -v nvcc || true)
  python=$(command -v python3 || true)
  for file in ${CUDA_HOME:+"$CUDA_HOME"/lib64/"$name"} ${nvcc:+"${nvcc%/bin/nvcc}"/lib64/"$name"} \
    /usr/local/cuda*/lib64/"$name" /usr/local/cuda*/lib/"$name" /usr/local/cuda*/targets/*/lib/"$name" \
    ${python:+"${python%/bin/python3}"/lib/python3*/site-packages/nvidia/*/lib/"$name"} \
    /usr/lib/python3/dist-packages/nvidia/*/lib/"$name" \
    /usr/local/lib/python3*/*-packages/nvidia/*/lib/"$name" \
    "$(ldconfig -p 2>/dev/null | sed -n "s/^[[:space:]]*${name//./\\.} .*=> //p" | head -n 1)"; do
    [[ ! -e $file ]] || { dirname "$file"; return; }
  done
  return 1
}

# The first that the file names is needed, another only by FAISS, which says so where it is not there.
mapfile -t names <"$here/cublas"
blas=$(folder_of "${names[0]}") || {
  echo "run: ${names[0]} is nowhere on this machine; set CUDA_HOME to a toolkit that has lib64/${names[0]}" >&2
  exit 1
}
for name in "${names[@]:1}"; do
  [[ -e $blas/$name ]] || blas+=$(folder_of "$name" | sed 's/^/:/') || true
done
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-1000} OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-active} # else a tool sets them and starts /proc/self/exe, which may be the loader
libraries=$here/lib:$blas:/usr/local/nvidia/lib64:/usr/local/nvidia/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
if LD_LIBRARY_PATH=$libraries ldd "$program" >/dev/null 2>&1 &&
  ! LD_LIBRARY_PATH=$libraries ldd "$program" 2>&1 | grep -q 'not found'; then
  LD_LIBRARY_PATH=$libraries exec "$program" "$@"
fi
exec "$here/libc/ld-linux-x86-64.so.2" --library-path "$here/libc:$libraries:/usr/lib/x86_64-linux-gnu:/lib64" \
  "$program" "$@"
