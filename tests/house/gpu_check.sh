#!/usr/bin/env bash
# Runs scripts/gpu-check.sh with programs that only play their part, on a machine that only says it
# has a GPU: what passes, fails, hangs and is missing must come out as that.
#   gpu_check.sh ROOT
set -euo pipefail
root=$1
script=gpu-check.sh
source "$(dirname "${BASH_SOURCE[0]}")/gpu_stage.sh"
given=(--bin "$made/bin")

program path/nvidia-smi <<<'echo "NVIDIA-SMI has failed"; exit 9'
if [[ ! -c /dev/nvidia0 ]]; then
  check 0 --json
  reports stderr '!!! NO GPU ON THIS MACHINE: NOTHING WAS CHECKED (NVIDIA-SMI has failed) !!!'
  reports stdout '{"result": "no GPU"}'
  check 3 --require-gpu
fi
check 2 --minutes soon
check 2 --pack "$made/stdout"

program path/nvidia-smi <<'END'
case $* in
  -L) echo 'GPU 0: Made up "H"' ;;
  *=name*) echo 'Made up "H"' ;;
  *) echo 1.0 ;;
esac
END
program path/compute-sanitizer <<<'echo "========= ERROR SUMMARY: 0 errors"'
program bin/ops_device_test <<<'echo "[  PASSED  ] 3 tests."'
program bin/memlong-bench <<<'echo "| prefill | 1 |"'
# Answers that depend on the device where it is told to; on the run where it is told to.
program bin/memlong-eval <<'END'
all="$*"
while (($#)); do
  case $1 in
    --rows | --out) file=$2 ;;
    --device) device=$2 ;;
  esac
  shift
done
answer=1
[[ $all != recall* || $device == cpu || ! -e ${0%/*}/../wrong ]] || answer=2
run=0
[[ ! -e ${0%/*}/../moving ]] || run=$RANDOM$RANDOM
echo "{\"retrieved\":[1,2],\"exact\":true,\"argmax\":[7,$answer],\"log_probability\":-0.5$run}" >"$file"
END

program bin/memlong-train <<'END'
while (($#)); do
  case $1 in
    --out) out=$2 ;;
    --device) device=$2 ;;
  esac
  shift
done
loss=1.25
[[ $device == cpu || ! -e ${0%/*}/../wrong ]] || loss=1.5
[[ ! -e ${0%/*}/../moving ]] || loss+=$RANDOM$RANDOM
mkdir "$out"
for step in 1 2 3; do echo "{\"step\":$step,\"loss\":$loss,\"plain_loss\":7}"; done >"$out/log.jsonl"
END

check 0 --json
reports stdout '"result": "passed"' '"device": "Made up \"H\", compute capability 1.0, 1.0"' \
  '{"name": "ops_device_test", "result": "passed", "seconds"'
cmp -s "$made/stdout" "$made/out/report.json" || wrong 'report.json is not what was printed'
reports out/report.md '# GPU check: passed' '| ops_device_test | passed |' '| [  PASSED  ] 3 tests. |' \
  '1 of 1 answers and 1 sets are the same; exact 1 and 1' '3 steps, at most 0.0e+00 apart' \
  '| FAISS on the GPU | skipped |' '| memcheck | passed |' '| prefill | 1 |'
reports out/log.txt '===== racecheck (exit code 0)' '--tool racecheck'

touch "$made/wrong"
check 1
reports out/report.md '# GPU check: failed' "| recall, f32: the CPU's answers | failed |" '0 of 1 answers' \
  '| recall, f32: same bits twice | passed |' "| training, pairs: the CPU's losses | failed | 0 | 3 steps, at most 2.0e-01" \
  '| training, pairs: same losses twice | passed |'
rm "$made/wrong"
touch "$made/moving"
check 1
reports out/report.md "| recall, f32: the CPU's answers | passed |" '| recall, f32: same bits twice | failed |' \
  '| logits, bf16: same bits twice | failed |' '| training, streams: same losses twice | failed |'
rm "$made/moving" "$made/bin/memlong-bench"
touch "$made/bin/libmemlong_faiss_gpu.so"
program bin/retriever_test <<<'echo "[  PASSED  ] 9 tests. $*"'

program bin/ops_device_test <<<'echo "[  FAILED  ] 1 test, listed below:"; exit 1'
program bin/network_device_test <<<'echo "NOT TESTED on a CUDA device: the driver is too old"'
program path/compute-sanitizer <<<'echo "Error: Device not supported"; exit 1'
check 1
reports out/report.md '| ops_device_test | failed |' 'exit code 1: [  FAILED  ] 1 test' \
  '| network_device_test | failed |' 'NOT TESTED on a CUDA device: the driver is too old' \
  '| memcheck | skipped |' '| bench 100m | not run | 0 | there is no program memlong-bench |' \
  "| recall, bf16: the CPU's answers | passed |" '| FAISS on the GPU | passed |'

program bin/retriever_test <<'END'
printf 'a_test.cpp:5: Skipped\nFAISS for GPUs cannot be loaded: no libcublas\n\n[  PASSED  ] 1 test.\n'
END
check 1
reports out/report.md '| FAISS on the GPU | failed | 0 | FAISS for GPUs cannot be loaded: no libcublas |'
rm "$made/bin/libmemlong_faiss_gpu.so"

# A pack: its programs are started by gpu-run.sh, which finds the library of the machine.
mkdir -p "$made/pack/bin" "$made/pack/lib" "$made/cuda/lib64"
cp /bin/echo "$made/pack/bin/ops_device_test"
cp "$root/scripts/gpu-run.sh" "$made/pack/run"
echo libmadeup.so.1 | tee "$made/cuda/lib64/libmadeup.so.1" >"$made/pack/cublas"
echo abc1234 >"$made/pack/commit"
tar -C "$made/pack" -czf "$made/pack.tar.gz" .
given=(--pack "$made/pack.tar.gz")
CUDA_HOME=$made/cuda check 1
reports out/report.md '| unpack | passed |' '| ops_device_test | passed |' '- commit: abc1234'
# Another library may be missing, or lie elsewhere.
cp "$(command -v env)" "$made/pack/bin/ops_device_test"
echo libmadealso.so.1 >>"$made/pack/cublas"
tar -C "$made/pack" -czf "$made/pack.tar.gz" .
CUDA_HOME=$made/cuda check 1
reports out/report.md '| ops_device_test | passed |'
reports out/log.txt "/lib:$made/cuda/lib64:/usr/local/nvidia/lib64"
mkdir -p "$made/toolkit/bin" "$made/toolkit/lib64"
program toolkit/bin/nvcc <<<'exit 1'
touch "$made/toolkit/lib64/libmadealso.so.1"
PATH=$made/toolkit/bin:$PATH CUDA_HOME=$made/cuda check 1
reports out/log.txt "/lib:$made/cuda/lib64:$made/toolkit/lib64:/usr/local/nvidia/lib64"
check 1
reports out/report.md '| ops_device_test | failed |' 'libmadeup.so.1 is nowhere on this machine'
given=(--bin "$made/bin")

program bin/a_device_test <<<'echo started; sleep 100'
check 1 --minutes 0.1
reports out/report.md '| a_device_test | failed |' 's: started |' '| ops_device_test | not run | 0 | no time was left |'

if ((failures == 0)); then echo 'gpu_check: as it should be'; fi
exit $((failures > 0))
