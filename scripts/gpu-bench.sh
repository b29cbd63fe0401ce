#!/usr/bin/env bash
# How fast is memlong on this machine's GPU, beside the card's own rates and beside PyTorch? Each section
# is one program with a time limit; its figures are kept as soon as it is done, and those that it has
# when it is stopped. gpu-check.sh says whether the answers are right.
#   scripts/gpu-bench.sh [OPTION...]
#   --bin DIR | --pack FILE   the programs, as for gpu-check.sh; else they are built, in build/gpu
#   --out DIR          gets report.md, report.json, log.txt, and of each section NAME.json and
#                      NAME.command, also NAME.failed where that is not complete; default
#                      build/gpu-bench
#   --archive FILE     the folder --out as a tar.gz, again after each section and at the end, also when
#                      the script was stopped: one file to copy back
#   --minutes N        what has not begun by then is not run; default 9
#   --only NAME,...    sections, which are run in this order: network train ingest dialog peers-2k
#                      peers-16k peers-80k peers-train dialog-1m profile kernels no-overlap
#                      dialog-at-once search ingest-shm gather
#   --python PATH      an interpreter with torch, for the peers; default python3, where that has it
#   --shape NAME       as memlong-bench has it; default openllama-3b
#   --page FILE        the tables go into it too, between its marks `<!-- bench gpu-NAME -->`
#   --quick            tiny sizes, --shape reference: to see that everything runs
#   --device NAME      default cuda; cpu to try the script
#   --require-gpu      exit code 3 where there is no GPU
# Exit code: 0 all is well, or there is no GPU; 1 something failed or was not run; 2 usage.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$root/scripts/gpu-report.sh"
source "$root/scripts/gpu-lib.sh"
source "$root/scripts/gpu-sections.sh"

usage() {
  say "gpu-bench.sh: ${1:-usage}; the head of this script says what there is"
  exit 2
}

bin='' pack='' out=$root/build/gpu-bench archive='' minutes=9 only='' python='' shape='' page='' quick=0 device=cuda require=0
while (($#)); do
  case $1 in
    --quick) quick=1 && shift && continue ;;
    --require-gpu) require=1 && shift && continue ;;
    --bin | --pack | --out | --archive | --minutes | --only | --python | --shape | --page | --device) ;;
    *) usage "unknown option $1" ;;
  esac
  (($# > 1)) || usage "$1 needs a value"
  case $1 in
    --bin) bin=$(realpath -m "$2") ;;
    --pack) pack=$(realpath -m "$2") ;;
    --out) out=$(realpath -m "$2") ;;
    --archive) archive=$(realpath -m "$2") ;;
    --page) page=$(realpath -m "$2") ;;
    --minutes) minutes=$2 ;;
    --only) only=$2 ;;
    --python) # absolute, but with its links: that of a virtual environment is one
      case $2 in
        /* | '') python=$2 ;;
        */*) python=$PWD/$2 ;;
        *) python=$2 ;;
      esac ;;
    --shape) shape=$2 ;;
    --device) device=$2 ;;
  esac
  shift 2
done
[[ $minutes =~ ^[0-9]+(\.[0-9]+)?$ ]] || usage '--minutes needs a number'
[[ -z $bin || -z $pack ]] || usage '--bin or --pack, not both'
[[ -z $bin || -d $bin ]] || usage "$bin: no folder with programs"
[[ -z $pack || -f $pack ]] || usage "$pack: no file"
[[ $archive != "$out"/* ]] || usage '--archive must not lie in --out'
[[ -z $archive ]] || { rm -f "$archive" && mkdir -p "${archive%/*}/" && [[ -w ${archive%/*}/ ]]; } ||
  usage "$archive cannot be written"
[[ -z $page || -w $page ]] || usage "$page is not there, or may not be written"
for each in ${only//,/ }; do
  [[ " ${sections[*]} " == *" $each "* ]] || usage "--only: there is no section $each"
done
shape=${shape:-$( ((quick)) && echo reference || echo openllama-3b)}
cd "$root" || exit

[[ $device == cpu ]] || need_gpu MEASURED $require
begin_report "$minutes"
shm=''
trap 'write_archive; rm -rf "$work" ${shm:+"$shm"}' EXIT

# The last whole one stays until the next is.
write_archive() {
  [[ -n $archive ]] || return 0
  rm -f "$archive.part"
  tar -czf "$archive.part" -C "${out%/*}" "${out##*/}" 2>>"$log" && mv "$archive.part" "$archive" ||
    { say "gpu-bench.sh: $archive: cannot be written"; return 1; }
}

# The tables of all that is done; again after each section.
write_report() {
  get_facts
  facts+=("torch=${torch:-none}")
  write_json "${facts[@]}" >"$out/report.json"
  python3 bench/write_tables.py --print "$out" >"$tables" 2>>"$log"
  write_markdown 'GPU speed' "$tables" "${facts[@]}" >"$out/report.md"
  write_archive
}

get_programs 0 memlong-bench
{
  echo '#!/usr/bin/env bash'
  there memlong-bench && printf 'exec%s "$@"\n' "$(printf ' %q' "${call[@]}")"
} >"$work/memlong-bench" # one word, also of a pack
chmod +x "$work/memlong-bench"
bench=$work/memlong-bench
torch=''
! [[ -x $bin/memlong-bench ]] || for each in "${sections[@]}"; do
  [[ -z $only || ,$only, == *,$each,* ]] || continue
  "section_${each//-/_}"
  write_report
done
command -v python3 >/dev/null || record tables 'not run' 0 'there is no python3'
if [[ -n $page ]]; then
  step "tables in ${page#"$root/"}" 30 python3 bench/write_tables.py --prefix gpu- "$page" "$out"
fi
write_report
say "$(whole_result): $out/report.md${archive:+, $archive}"
[[ $(whole_result) == passed && (-z $archive || -s $archive) ]]
