# Shared by the scripts beside it; read with `source`, not run.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# One line to standard error, then exit 1.
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# What the comments at the head of the script say.
script_head() { awk 'NR > 1 && /^#/ { sub(/^# ?/, ""); print; next } NR > 1 { exit }' "$0"; }

# refuse_option [WORD...]: for scripts without options; the first word must not look like one.
refuse_option() {
  [[ ${1:-} != -* ]] || { say "$(basename "$0"): unknown option '$1' (--help says what there is)"; exit 2; }
}

say() { printf '%s\n' "$*" >&2; }

# Every source file that clang-format looks after, one a line, sorted.
formatted_files() {
  find "$root/src" "$root/tools" "$root/tests" "$root/examples" -type f \
    \( -name '*.cpp' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' \) | sort
}

# The clang tool of the version that the rules are written for, or nothing.
clang_tool() {
  command -v "$1-14" || { "$1" --version 2>/dev/null | grep -q 'version 14\.' && command -v "$1"; } || true
}

# Seconds as "3 min 07 s" or "41 s".
duration() {
  if (($1 >= 60)); then printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); else printf '%d s' "$1"; fi
}

# unpack FILE DIR: where there is no xz, Python may know it.
unpack() {
  tar -xf "$1" -C "$2" || python3 -c 'import sys, tarfile
tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$1" "$2"
}

# Every script prints its head for --help and does nothing else.
case ${1:-} in -h | --help) script_head && exit 0 ;; esac
