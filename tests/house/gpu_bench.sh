#!/usr/bin/env bash
# Runs scripts/gpu-bench.sh with programs that only play their part, on a machine that only says it has a
# GPU: what passes, fails, hangs and is missing must come out as that. Then with the true memlong-bench,
# where it was built: tiny sizes, on the processor.
#   gpu_bench.sh ROOT [BIN]
set -euo pipefail
root=$1
script=gpu-bench.sh
source "$(dirname "${BASH_SOURCE[0]}")/gpu_stage.sh"
given=(--bin "$made/bin" --python "$made/path/torch-python")

program path/nvidia-smi <<<'echo "NVIDIA-SMI has failed"; exit 9'
if [[ ! -c /dev/nvidia0 ]]; then
  check 0
  reports stderr '!!! NO GPU ON THIS MACHINE: NOTHING WAS MEASURED (NVIDIA-SMI has failed) !!!'
  check 3 --require-gpu
fi
check 2 --minutes soon
check 2 --only network,nothing
reports stderr 'there is no section nothing'
check 2 --pack "$made/stdout"
check 2 --page
check 2 --archive "$made/out/all.tar.gz"
reports stderr '--archive must not lie in --out'
touch "$made/file"
check 2 --archive "$made/file/all.tar.gz"

program path/nvidia-smi <<'END'
case $* in
  -L) echo 'GPU 0: Made up "H"' ;;
  *=name*) echo 'Made up "H"' ;;
  *) echo 1.0 ;;
esac
END
# Its table has what it was asked for as the name of a test.
program bin/memlong-bench <<'END'
[[ -d $MEMLONG_CONFIGS ]] || exit 7
while (($#)); do
  [[ $1 != --tests ]] || tests=$2
  shift
done
[[ ! -e ${0%/*}/../mute || $tests != gather ]] || exit 0
[[ ! -e ${0%/*}/../hang || $tests != profile* ]] || sleep 100
# It says what it has, and not at once, when it is stopped.
if [[ -e ${0%/*}/../late && $tests == profile* ]]; then
  trap 'sleep 1; stopped=1' TERM
  sleep 100
fi
[[ ! -e ${0%/*}/../broken || $tests != machine,train ]] || { echo 'memlong-bench: error: no memory' >&2; exit 4; }
[[ ! -e ${0%/*}/../refuse ]] || echo 'memlong: search-5:gpu is left out: no libcublas' >&2
echo '{"commit": "abc1234", "threads": 2, "rows": [
{"test": "'"$tests"'", "value": 5, "deviation": 0, "unit": "tokens/s", "floor": 10, "share": 0.5, "more": {}}]
}'
exit ${stopped:-0}
END
program path/torch-python <<'END'
case $* in
  -c*) echo '9.9 of Python 3' ;;
  *compare*) echo '{"threads": 2, "rounds": 1, "programs": [
{"name": "memlong", "version": "1", "rows": [{"test": "tg", "value": 30, "more": {}}]},
{"name": "PyTorch", "version": "9.9", "rows": [{"test": "tg", "value": 10, "more": {}}]}]
}'; [[ ! -e ${0%/*}/../half ]] || { echo 'failed: MemLong way' >&2; exit 1; } ;;
esac
END
program path/ncu <<'END'
while [[ $1 != --log-file ]]; do shift; done
[[ ! -e ${0%/*}/../secret ]] || { echo '==ERROR== ERR_NVGPUCTRPERM' >"$2"; exit 1; }
{
  echo '==PROF== Connected'
  echo '"ID","Kernel Name","gpu__time_duration.sum","dram__bytes_read.sum","dram__bytes_write.sum"'
  echo '"","","ns","byte","byte"'
  echo '"0","attend<4>(int)","2,000","7","8"'
} >"$2"
END

echo 'A page.' >"$made/page.md"
check 0 --quick --page "$made/page.md"
reports out/report.md '# GPU speed: passed' '- device: Made up "H", compute capability 1.0, 1.0' \
  '- torch: 9.9 of Python 3' '| network | passed |' '| kernels-decode | passed |' '## A training step' \
  '| machine,train | 5.000 | 0.000 | tokens/s | 10.00 | 50.0 % |' '| tg | 30.00 | 10.00 | 3.00 |' \
  '| `attend<4>` |' 'memlong-bench --shape reference --device cuda --tests dialog' \
  'ncu --csv --page raw' 'python3 bench/peers/compare.py --memlong-bench memlong-bench'
reports out/report.json '"result": "passed"' '{"name": "gather", "result": "passed"'
reports page.md 'A page.' '<!-- bench gpu-network -->' '<!-- /bench gpu-kernels-prefill -->'
[[ -s $made/out/peers-80k.json && -s $made/out/dialog.command ]] || wrong 'sections are not kept'

touch "$made"/{broken,half,secret}
check 1 --quick --only network,train,peers-2k,kernels,gather
reports out/report.md '| network | passed |' '| train | failed |' 'exit code 4: memlong-bench: error: no memory' \
  '| peers-2k | failed |' '| tg | 30.00 | 10.00 | 3.00 |' '| kernels-prefill: ncu | skipped |' \
  'ERR_NVGPUCTRPERM' '| gather | passed |'
! grep -q '## A training step' "$made/out/report.md" || wrong 'a section that failed has a table'
rm "$made"/{broken,half,secret}

check 0 --quick --only search
reports out/report.md '| search | skipped | 0 | the programs were built without FAISS for GPUs |'
touch "$made/bin/libmemlong_faiss_gpu.so"
check 0 --quick --only search
reports out/report.md '| search | passed |' '## Searching vectors'
touch "$made/refuse"
check 1 --quick --only search
reports out/report.md '| search | failed |' 'search-5:gpu is left out: no libcublas'
rm "$made/refuse"

touch "$made"/{hang,mute}
check 1 --quick --only gather
reports out/report.md '| gather | failed |' 'it printed no report'
check 1 --quick --only network,profile,gather --minutes 0.1
reports out/report.md '| network | passed |' '| profile | failed |' 'was stopped after' \
  '| gather | not run | 0 | no time was left |' '## Prompts and tokens'
[[ ! -e $made/out/profile.json ]] || wrong 'a section that printed nothing is kept'
rm "$made"/{hang,mute}
touch "$made/late"
check 1 --quick --only profile,gather --minutes 0.1
reports out/report.md '| profile | failed |' 'was stopped after' ' s: 1 rows |' '## A pass, operator by operator' \
  '| profile,attention | 5.000 |' 'It failed: was stopped after'
rm "$made/late"

# All of --out in one file, also of a run that is stopped.
archive=$made/sent/all.tar.gz
archived() {
  tar -xOzf "$archive" "out/$1" >"$made/archived" || wrong "no $1 in $archive"
  reports archived "${@:2}"
}
check 0 --quick --only network --archive "$archive"
reports stderr ", $archive"
archived report.md '# GPU speed: passed' '## Prompts and tokens'
archived network.json '"value": 5'
archived log.txt '===== network'
touch "$made/hang"
rm -rf "$made/out"
PATH=$made/path:$PATH "$root/scripts/$script" "${given[@]}" --out "$made/out" --quick --only network,profile \
  --archive "$archive" >"$made/stdout" 2>"$made/stderr" </dev/null &
stopped=$!
for _ in {1..200}; do # until the section that hangs has begun
  [[ ! -e $made/out/network.json ]] || break
  sleep 0.1
done
sleep 1
kill -TERM "$stopped"
wait "$stopped" && wrong 'a run that was stopped is well'
rm "$made/hang"
archived network.json '"value": 5'
archived report.md '| network | passed |'
[[ ! -e $archive.part ]] || wrong 'a part of an archive is left'

# A path with a slash is that of the folder from which the script was started.
given=(--bin "$made/bin" --python path/torch-python)
cd "$made"
check 0 --quick --only peers-2k
reports out/report.md '| peers-2k | passed |' '| tg | 30.00 | 10.00 | 3.00 |'
cd - >/dev/null
given=(--bin "$made/bin" --python "$made/path/torch-python")

program path/torch-python <<<'echo "No module named torch"; exit 1'
check 1 --quick --only peers-2k
reports out/report.md '| peers-2k | failed |' 'No module named torch'

# A pack, and a folder without the program.
mkdir -p "$made/pack/bin"
cp "$made/bin/memlong-bench" "$made/pack/bin/"
program pack/run <<<'exec "${0%/*}/bin/$1" "${@:2}"'
echo def5678 >"$made/pack/commit"
tar -C "$made/pack" -czf "$made/pack.tar.gz" .
given=(--pack "$made/pack.tar.gz")
check 0 --only network
reports out/report.md '| unpack | passed |' '| network | passed |' '- commit: def5678' \
  '| machine,prefill,decode | 5.000 |' 'memlong-bench --shape openllama-3b'
rm "$made/bin/memlong-bench"
given=(--bin "$made/bin")
check 1 --only network
reports out/report.md '| memlong-bench | not run | 0 | there is no program memlong-bench |'

if [[ -x ${2:-}/memlong-bench ]]; then
  given=(--bin "$2" --device cpu --quick)
  check 0 --only network,train,ingest,dialog,dialog-1m,profile,kernels,dialog-at-once,search,ingest-shm,gather
  reports out/report.md '| pp64+m64 |' '| train1x320+m768 |' '| ingest:pp |' '| dialog-1200 |' '| dialog-2400 |' \
    '| op1@63:attention |' '| search-500 |' '| gather-8 |' '| kernels | skipped |'
fi

if ((failures == 0)); then echo 'gpu_bench: as it should be'; fi
exit $((failures > 0))
