# What gpu-check.sh and gpu-bench.sh share: the GPU, the programs, the facts of a report. Read with
# `source`, after lib.sh and gpu-report.sh, not run. They set: bin, pack (or "" both), out.
export MEMLONG_CONFIGS=$root/configs/models # programs of a pack have no tree around them
found=''
facts=()
call=()

# What nvidia-smi says of a GPU, into `found`; 1 where there is none.
find_gpu() {
  export PATH=$PATH:/usr/local/nvidia/bin:/usr/local/cuda/bin
  found=$(command -v nvidia-smi >/dev/null || echo 'no nvidia-smi')
  found=${found:-$(nvidia-smi -L 2>&1)}
  [[ $found == *'GPU 0'* || -c /dev/nvidia0 ]]
}

# need_gpu DONE REQUIRE [JSON]: the script ends here where there is none, with 3 where REQUIRE is 1.
need_gpu() {
  ! find_gpu || return 0
  say "!!! NO GPU ON THIS MACHINE: NOTHING WAS $1 (${found%%$'\n'*}) !!!"
  ((${3:-0} == 0)) || printf '{"result": "no GPU"}\n'
  exit $(($2 * 3))
}

# begin_report MINUTES: the folders and files, and until when.
begin_report() {
  mkdir -p "$out" || die "cannot make $out"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  log=$out/log.txt
  step_log=$work/step.log
  tables=$work/tables.md
  : >"$log"
  : >"$tables"
  deadline=$((SECONDS + $(awk "BEGIN { print int(60 * $1) }")))
}

# What is known of the device; "" for what nvidia-smi does not say.
query() { nvidia-smi --query-gpu="$1" --format=csv,noheader -i 0 2>/dev/null | head -n 1; }

commit() {
  if [[ -n $pack ]]; then
    cat "$bin/../commit" 2>/dev/null || echo unknown
  elif git rev-parse --short HEAD 2>/dev/null; then
    git diff --quiet HEAD 2>/dev/null || echo '(with changes)'
  else
    echo unknown
  fi | tr '\n' ' ' | sed 's/ *$//'
}

# Into `call`: what starts a program.
program() {
  if [[ -n $pack ]]; then call=("$bin/../run" "$1"); else call=("$bin/$1"); fi
}

# there PROGRAM [STEP]: 1, and said in the report, where it is not.
there() {
  [[ -x $bin/$1 ]] && program "$1" && return
  record "${2:-$1}" 'not run' 0 "there is no program $1"
  return 1
}

# get_programs TESTS TARGET...: unpacked, or built where no folder is given; TESTS 1: device tests too.
get_programs() {
  local tests=$1 generator=() targets=("${@:2}")
  if [[ -n $pack ]]; then
    mkdir -p "$work/pack" && bin=$work/pack/bin
    step 'unpack' 60 bash -c 'source "$0" && unpack "$1" "$2"' "$root/scripts/lib.sh" "$pack" "$work/pack"
  elif [[ -z $bin ]]; then
    bin=$root/build/gpu/bin
    ! command -v ninja >/dev/null || generator=(-G Ninja)
    step 'configure' 60 cmake -S . -B build/gpu "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DMEMLONG_CUDA=ON || return
    ((tests == 0)) || mapfile -t -O ${#targets[@]} targets < <(
      cmake --build build/gpu --target help | grep -oE '[a-z]+_device_test\b|memlong_faiss_gpu\b' |
        sed 's/^memlong_faiss_gpu$/&\nretriever_test/' | sort -u
    )
    step 'build' 420 cmake --build build/gpu --parallel "$(nproc)" --target "${targets[@]}"
  fi
}

# Into `facts`, as NAME=VALUE: what a report says of the device and the programs.
get_facts() {
  local name
  name="$(query name), compute capability $(query compute_cap), $(query memory.total)"
  [[ ${device:-cuda} != cpu ]] || name='none, to try this script'
  facts=(
    "date=$(date -u +%FT%TZ)"
    "commit=$(commit)"
    "device=$name"
    "driver=$(query driver_version)"
    "toolkit=$(nvcc --version 2>/dev/null | sed -n 's/.*release \([0-9.]*\).*/\1/p')"
    "machine=$(nproc) processors, $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release 2>/dev/null), $(uname -m)"
    "programs=${pack:-${bin#"$root/"}}"
    "seconds=$SECONDS"
  )
}
