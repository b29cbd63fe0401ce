# The sections of gpu-bench.sh; read with `source`, not run. In the order of docs/gpu.md's calls, and in
# each of these by importance: the limits of a call are together not much more than its nine minutes.
sections=(network train ingest dialog
  peers-2k peers-16k peers-80k
  peers-train dialog-1m profile
  kernels no-overlap dialog-at-once search ingest-shm gather)

# size FULL QUICK
size() { if ((quick)); then echo "$2"; else echo "$1"; fi; }

# shown COMMAND...: as it would be typed in the root of the tree.
shown() {
  local text
  text=$(printf '%q ' "$@")
  text=${text//"$bench"/memlong-bench}
  [[ -z $shm ]] || text=${text//"$shm"//dev/shm}
  [[ -z $python ]] || text=${text//"$python"/python3}
  text=${text//"$work"//tmp}
  text=${text//"$out/"/}
  text=${text//"$root/"/}
  text=${text//\\,/,}
  printf '%s\n' "${text% }"
}

# measure NAME SECONDS COMMAND...: what it prints becomes NAME.json, also where it failed or was stopped
# and still printed what it had (NAME.failed says so); beside it how it was called, and what and when it
# was. The shell around it outlives the SIGTERM that its program answers with a report.
measure() {
  local name=$1 limit=$2
  shift 2
  rm -f "$out/$name".{json,command,machine.txt,commit.txt,failed}
  # shellcheck disable=SC2016  # for that shell
  step "$name" "$limit" bash -c \
    'trap : TERM; "$@" >"$0"; code=$?; echo "$(grep -c "\"test\"\|\"calls\"" "$0") rows"; exit $code' "$work/$name.json" "$@"
  if tail -n 1 "$work/$name.json" 2>/dev/null | grep -q '^}'; then
    mv "$work/$name.json" "$out/"
    [[ ${results[-1]} == passed ]] || printf '%s\n' "${sayings[-1]}" >"$out/$name.failed"
    shown "$@" >"$out/$name.command"
    commit >"$out/$name.commit.txt"
    get_facts
    printf '%s; %s; driver %s, CUDA %s; %s.\n' "${facts[0]#*=}" "${facts[2]#*=}" "$(query driver_version)" \
      "${facts[4]#*=}" "${facts[5]#*=}" >"$out/$name.machine.txt"
  elif [[ ${results[-1]} == passed ]]; then
    overrule failed 'it printed no report'
  fi
  [[ ${results[-1]} == passed ]]
}

# bench NAME SECONDS OPTION...: of memlong-bench.
bench() {
  local name=$1 limit=$2
  shift 2
  ((quick == 0)) || set -- "$@" --matmul-side 512
  measure "$name" "$limit" "$bench" --shape "$shape" --device "$device" "$@" --json --quiet
}

# MiB that a folder has room for.
room() { df -Pm "$1" 2>/dev/null | awk 'NR == 2 { print $4 }'; }

# Bytes of a token in a bank, and a fifth more.
token_bytes() {
  case $shape in
    openllama-3b) echo 15400 ;;
    llama-2-7b) echo 19700 ;;
    mistral-7b) echo 5000 ;;
    100m) echo 3700 ;;
    tinyllama-1.1b) echo 1400 ;;
    *) echo 700 ;;
  esac
}

# needs NAME FOLDER TOKENS [MIB]: 1, and said in the report, where a bank of so many tokens has no room.
needs() {
  local least=$(($3 * $(token_bytes) / 1048576 + ${4:-0} + 64)) there
  there=$(room "$2")
  ((${there:-0} < least)) || return 0
  record "$1" skipped 0 "$2 has ${there:-no} MiB of room, and $least are needed"
  return 1
}

section_network() {
  bench network 120 --tests machine,prefill,decode --prompt "$(size 512,2048 16,64)" --memory "$(size 0,1024 0,64)" \
    --depth "$(size 0,1024 0,32)" --generate "$(size 64 4)" --repeat "$(size 5 1)"
}

# The same tokens, each kernel started when the one before is done.
section_no_overlap() {
  measure no-overlap 70 env MEMLONG_CUDA_OVERLAP=0 "$bench" --shape "$shape" --device "$device" --tests machine,decode \
    --memory "$(size 0,1024 0,64)" --depth "$(size 0,1024 0,32)" --generate "$(size 64 4)" --repeat "$(size 5 1)" \
    --json --quiet
}

section_train() {
  bench train 150 --tests machine,train --train-rows "$(size 4 1)" --repeat "$(size 5 1)"
}

# ingest NAME SECONDS FOLDER
ingest() {
  needs "$1" "$3" "$(size 262144 4096)" "$(size 3072 8)" || return
  bench "$1" "$2" --tests machine,ingest,bank --ingest "$(size 0 1024)" --bank-mib "$(size 1024 1)" --folder "$3" \
    --repeat "$(size 3 1)"
}
section_ingest() { ingest ingest 120 "$work"; }
section_ingest_shm() {
  if [[ -w /dev/shm ]]; then
    shm=$(mktemp -d -p /dev/shm)
    ingest ingest-shm 80 "$shm"
    rm -rf "$shm"
  else
    record ingest-shm skipped 0 'there is no /dev/shm'
  fi
  shm=''
}

# dialog NAME SECONDS LENGTHS OPTION...
dialog() {
  bench "$1" "$2" --tests dialog --dialog "$3" --folder "$work" "${@:4}"
}
section_dialog() {
  needs dialog "$work" "$(size 82000 2000)" || return
  dialog dialog 150 "$(size 1000,16000,80000 600,1200)" --message "$(size 512 128)" --repeat "$(size 2 1)"
}
section_dialog_1m() {
  local short length most
  short=$(size 1000 600)
  length=$(size 1000000 2400)
  most=$((($(room "$work") - 256) * 1048576 / $(token_bytes) / 1000 * 1000))
  if ((most < length)); then
    record 'dialog-1m: its length' skipped 0 "$length tokens have no room on the disk: $most instead"
    length=$most
  fi
  ((length > short)) || return
  dialog dialog-1m 240 "$short,$length" --message "$(size 512 128)" --repeat "$(size 2 1)"
}
section_dialog_at_once() {
  local length
  length=$(size 80000 1200)
  needs dialog-at-once "$work" $((2 * length)) || return
  dialog dialog-at-once 60 "$length" --message "$length" --repeat 1
}

section_profile() {
  bench profile 90 --tests profile,attention --prompt "$(size 2,512,2048 2,16,64)" --memory "$(size 1024 64)" \
    --repeat "$(size 3 1)"
}
section_gather() {
  needs gather "$work" 0 "$(size 5120 4)" || return
  bench gather 60 --tests gather --gather-mib "$(size 4096 1)" --folder "$work" --repeat "$(size 3 1)"
}
# Beside the processor's. Only a build with FAISS for GPUs has its module.
section_search() {
  local why
  if [[ $device != cpu && ! -e $bin/libmemlong_faiss_gpu.so ]]; then
    record search skipped 0 'the programs were built without FAISS for GPUs'
    return
  fi
  bench search 60 --tests search --vectors "$(size 10000,100000 500)" --repeat "$(size 5 1)" || return
  [[ $device != cpu ]] && why=$(grep -am 1 ' is left out: ' "$step_log") || return 0
  overrule failed "${why#memlong: }"
  printf '%s\n' "${sayings[-1]}" >"$out/search.failed"
}

# Into `peer`: the shape as bench/peers/shapes.py calls it. 1, and said, where peers cannot run.
can_peer() {
  local name=$1 found
  case $shape in
    tinyllama-1.1b) peer=1b ;;
    openllama-3b | 100m | reference) peer=$shape ;;
    *) record "$name" skipped 0 "bench/peers/shapes.py has no $shape" && return 1 ;;
  esac
  if [[ -z $torch ]]; then
    found=$(timeout 60 "${python:-python3}" -c 'import sys, torch
if sys.argv[1] != "cpu" and not torch.cuda.is_available(): raise SystemExit("torch sees no GPU")
print(torch.__version__, "of Python", sys.version.split()[0])' "$device" 2>&1) || found=$'\n'"none: ${found##*$'\n'}"
    torch=${found##*$'\n'}
  fi
  [[ $torch == none* ]] || return 0
  # What was asked for and is not there is a failure.
  record "$name" "$(if [[ -n $python ]]; then echo failed; else echo skipped; fi)" 0 \
    "no PyTorch in ${python:-python3}: ${torch#none: }"
  return 1
}

# peers NAME SECONDS LENGTH OPTION...: everything at so many tokens.
peers() {
  local name=$1 limit=$2 length=$3 peer
  shift 3
  can_peer "$name" || return
  ((quick == 0)) || set -- "$@" --generate 4 --rounds 1
  measure "$name" "$limit" "${python:-python3}" bench/peers/compare.py --memlong-bench "$bench" --model "shape:$peer" \
    --device "$device" --threads "$(nproc)" --torch-python "${python:-python3}" --torch-graph --memlong-way \
    --depth "$length" --dialog "$length" --dialog-rounds 1 --way-generate "$(size 512 4)" "$@"
}
section_peers_2k() {
  peers peers-2k 180 "$(size 2048 64)" --limit-seconds 60 --prompt "$(size 2048 64)" --rounds 2
}
section_peers_16k() { long_peers peers-16k 160 "$(size 16384 128)" --limit-seconds 60; }
section_peers_80k() { long_peers peers-80k 220 "$(size 80000 400)" --limit-seconds 120; }
long_peers() { peers "$@" --prompt '' --full-prompt "$3" --rounds 1; } # prompts that only PyTorch reads at once
section_peers_train() {
  local peer more=()
  can_peer peers-train || return
  ((quick)) && more=(--matmul-side 512) || more=(--compile)
  measure peers-train 225 "${python:-python3}" bench/peers/compare_train.py --memlong-bench "$bench" \
    --limit-seconds 210 --torch-python "${python:-python3}" --model "shape:$peer" --device "$device" --rows "$(size 4 1)" \
    --steps "$(size 5 1)" --threads "$(nproc)" "${more[@]}"
}

# kernels NAME PASSES OPTION...: the last so many passes of a run under Nsight Compute.
kernels() {
  local name=kernels-$1 passes=$2 csv=$out/kernels-$1.csv why command
  shift 2
  : >"$csv"
  command=(env MEMLONG_CUDA_GRAPH=0 ncu --csv --page raw --clock-control none --cache-control none
    --metrics gpu__time_duration.sum,dram__bytes_read.sum,dram__bytes_write.sum --target-processes all
    --launch-count 8000 --log-file "$csv" "$bench" --shape "$shape" --device "$device" "$@" --repeat 1 --json --quiet)
  step "$name: ncu" 120 "${command[@]}"
  why=$(cat "$csv" "$step_log" | grep -a '^==ERROR==' | grep -v 'application returned an error' | tail -n 1)
  if [[ -n $why ]]; then # a machine that does not let it read counters
    overrule skipped "ncu cannot: $why"
  elif [[ ${results[-1]} == passed ]]; then
    measure "$name" 15 python3 bench/kernel_table.py "$csv" --last "$passes" --machine "$machine" &&
      printf '%s\n%s\n' "$(shown "${command[@]}")" "$(<"$out/$name.command")" >"$out/$name.command"
  fi
}
section_kernels() {
  local machine=$out/network.json
  [[ $device != cpu ]] || { record kernels skipped 0 'kernels are of a GPU'; return; }
  command -v ncu >/dev/null || { record kernels skipped 0 'Nsight Compute (ncu) is not installed'; return; }
  if [[ ! -s $machine ]]; then
    machine=$out/machine.json
    measure machine 45 "$bench" --shape reference --device "$device" --tests machine --json --quiet
  fi
  kernels prefill 1 --tests prefill --prompt "$(size 2048 64)"
  kernels decode 2 --tests decode --depth "$(size 1024 32)" --memory "$(size 1024 64)" --generate 2
}
