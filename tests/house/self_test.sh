#!/usr/bin/env bash
# Plants one violation after another in an empty tree and sees that each is found and named, and
# that a tree without any passes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

fresh_tree() {
  rm -rf "${tree:?}"/*
  mkdir -p "$tree"/src/{common,tensor/cuda,ops/cpu,ops/cuda,membank,retriever,sidenet,backbone} "$tree"/tools/{common,demo}
  echo '#include <string>' >"$tree/src/common/error.h"
}

# expect found|passes NAME SCRIPT WORD: runs a check over the tree and looks for WORD in what it says.
expect() {
  local want=$1 name=$2 script=$3 word=$4 output result=passes
  output=$(bash "$here/$script" "$tree" 2>&1) || result=found
  if [[ $result == "$want" && $output == *"$word"* ]]; then
    echo "ok: $name"
  else
    echo "FAILED: $name: expected '$want' and '$word', got '$result' and: $output"
    failures=$((failures + 1))
  fi
}

# planted PATH INCLUDE WORD: the include is refused, and the message names the file.
planted() {
  fresh_tree
  echo "  #  include $2" >"$tree/$1"
  expect found "$2 in $1" include_directions.sh "$1:1 includes"
}

# allowed PATH INCLUDE
allowed() {
  fresh_tree
  echo "#include $2" >"$tree/$1"
  expect passes "$2 in $1" include_directions.sh ', 0 against'
}

planted src/tensor/tensor.h '"ops/matmul.h"'
planted src/membank/bank.cpp '"retriever/index.h"'
planted src/retriever/index.cpp '"membank/bank.h"'
planted src/sidenet/attention.h '"membank/types.h"'
planted src/backbone/writer.cpp '"retriever/embedder.h"'
planted src/common/error.cpp '"tools/common/output.h"'
planted src/ops/matmul.cpp '"../common/error.h"'
planted src/ops/matmul.cpp '<dnnl.hpp>'
planted src/ops/matmul.h '"dnnl.h"'
planted src/ops/rope.cu '<cuda_runtime.h>'
planted src/tensor/context.h '<cuda_runtime.h>'
planted src/ops/rope.cpp '"ops/cuda/launch.h"'
planted src/backbone/writer.cpp '"tensor/cuda/backend.h"'
planted src/ops/cuda/rope.cu '"backbone/writer.h"'
planted src/ops/cuda/device.cuh '<dnnl.hpp>'
planted src/membank/bank.h '<lmdb.h>'
planted src/retriever/index.h '<faiss/IndexFlat.h>'
planted src/common/threads.cpp '<boost/asio.hpp>'
planted src/retriever/tokens.cpp '<sentencepiece_processor.h>'
planted tools/common/options.h '<histedit.h>'
allowed src/ops/cpu/matmul.cpp '<dnnl.hpp>'
allowed src/ops/cuda/rope.cu '<cuda_runtime.h>'
allowed src/ops/cuda/device.cuh '"ops/cuda/intrinsics.cuh"'
allowed src/ops/cuda/launch.cu '"tensor/cuda/runtime.h"'
allowed src/tensor/context.cpp '"tensor/cuda/backend.h"'
allowed src/membank/bank.cpp '<lmdb.h>'
allowed src/retriever/index.cpp '"model/config.h"'
allowed tools/demo/line_editor.cpp '<histedit.h>'
allowed tools/demo/main.cpp '"membank/bank.h"'

mkdir "$tree/src/attic" && echo '#include "common/error.h"' >"$tree/src/attic/old.h"
expect found 'a folder that the table does not know' include_directions.sh 'src/attic is not in'

fresh_tree
expect passes 'short files' file_lengths.sh 'median 1'
seq 501 >"$tree/src/common/long.cpp"
expect found 'a file of 501 lines' file_lengths.sh 'src/common/long.cpp has 501 lines'
seq 500 >"$tree/src/common/long.cpp"
expect passes 'a file of 500 lines' file_lengths.sh 'longest 500'
for i in 1 2 3; do seq 120 >"$tree/src/tensor/part$i.cpp"; done
expect found 'files that are too long on the whole' file_lengths.sh 'half of the files'

fresh_tree
printf '[a](src/common/error.h#x) [b](https://example.org/) [c](#here)\n```\n[d](no.md)\n```\n' >"$tree/README.md"
expect passes 'links that lead somewhere' doc_links.sh '1 relative links, 0 broken'
echo '[e](docs/none.md)' >>"$tree/README.md"
expect found 'a link to nothing' doc_links.sh 'README.md: link to docs/none.md'

((failures == 0))
