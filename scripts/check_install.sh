#!/usr/bin/env bash
# Whether other projects can use memlong as a library. Installs a build into a temporary folder, builds
# examples/cpp with what is there, and runs it twice: the second run is asked what the first was told. Then
# memlong as a folder of another project, which is configured only.
#   scripts/check_install.sh [PRESET]     default release; it must be built (scripts/build.sh)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
refuse_option "$@"
preset=${1:-release}
build=$root/build/$preset
[[ -e $build/CMakeCache.txt ]] || die "$build is no build folder; run scripts/build.sh $preset first"
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
prefix=$made/prefix
model=$root/models/reference

# quietly COMMAND...: its output is shown where it fails.
quietly() {
  "$@" >"$made/log" 2>&1 </dev/null || {
    tail -n 40 "$made/log" >&2
    die "'$*' failed; the end of what it said stands above"
  }
}

# ours_only FOLDER: the example is compiled without the flags of our own code.
ours_only() {
  ! grep -F remember.cpp "$1/compile_commands.json" | grep -E -e '-march=|-Wall|-fopenmp|-fno-math-errno' ||
    die 'flags of our own code reach other projects'
}

quietly cmake --install "$build" --prefix "$prefix"
package=$(find "$prefix" -type d -path '*/cmake/memlong')
[[ -n $package ]] || die "$build installs no package (a build with sanitizers has none)"
! grep -rnF -e "$root/" -e "$build" "$package" || die 'installed CMake files name folders of the build'

# Each header that is installed finds what it includes.
(cd "$prefix/include/memlong" && find . -name '*.h' -printf '#include "%P"\n' | sort) >"$made/all.cpp"
count=$(wc -l <"$made/all.cpp")
((count >= 50)) || die "only $count headers are installed"
quietly "${CXX:-c++}" -std=c++20 -fsyntax-only -I "$prefix/include/memlong" "$made/all.cpp"

quietly cmake -S "$root/examples/cpp" -B "$made/example" -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_EXPORT_COMPILE_COMMANDS=ON
ours_only "$made/example"
quietly cmake --build "$made/example"

# Other parts, settings of models, and a version that is not this one.
mkdir "$made/uses"
cat >"$made/uses/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(uses LANGUAGES CXX)
find_package(memlong 0.2 QUIET)
if(memlong_FOUND)
  message(FATAL_ERROR "version \${memlong_VERSION} is taken for another")
endif()
find_package(memlong 0.1 REQUIRED)
if(NOT EXISTS \${memlong_CONFIGS}/reference.toml)
  message(FATAL_ERROR "no settings in \${memlong_CONFIGS}")
endif()
add_executable(uses \${CMAKE_CURRENT_LIST_FILE}.cpp)
target_link_libraries(uses PRIVATE memlong::membank memlong::server memlong::train)
END
echo 'int main() {}' >"$made/uses/CMakeLists.txt.cpp"
quietly cmake -S "$made/uses" -B "$made/uses-build" -DCMAKE_PREFIX_PATH="$prefix"

head -n 100 "$root/examples/novel.txt" >"$made/text.txt"
# As the programs do it themselves: threads that wait do not take the processor from others.
export OMP_WAIT_POLICY=active GOMP_SPINCOUNT=1000
remember() {
  "$made/example/remember" "$model" "$made/bank" "$made/text.txt" >"$made/said" || die 'the example failed'
}
# said TEXT...: each stands in what it printed.
said() {
  local text
  for text in "$@"; do
    grep -qF -- "$text" "$made/said" || die "the example did not say '$text': $(cat "$made/said")"
  done
}
remember <"$root/examples/cpp/told.txt"
said ' 0 texts known' 'milk'
remember <<<'What is my favourite drink?'
said ' 0 new chunks, 1 texts known' 'going on after 40 messages' 'Your favourite drink is milk.' \
  'read: this dialog at token 0'

# A project that has memlong in a folder of its own keeps its settings, and gets no programs or tests.
mkdir "$made/parent"
cat >"$made/parent/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(parent LANGUAGES CXX)
add_subdirectory($root memlong)
add_executable(remember $root/examples/cpp/remember.cpp)
target_link_libraries(remember PRIVATE memlong::engine)
foreach(name CMAKE_RUNTIME_OUTPUT_DIRECTORY CMAKE_CXX_STANDARD CMAKE_CXX_FLAGS CMAKE_CXX_COMPILER_LAUNCHER)
  if(NOT "\${\${name}}" STREQUAL "")
    message(FATAL_ERROR "memlong sets \${name} to \${\${name}}")
  endif()
endforeach()
foreach(target memlong-chat memlong_tools common_test)
  if(TARGET \${target})
    message(FATAL_ERROR "memlong makes \${target}")
  endif()
endforeach()
END
quietly env -u CXXFLAGS -u CMAKE_CXX_COMPILER_LAUNCHER cmake -S "$made/parent" -B "$made/parent-build" \
  -DCMAKE_EXPORT_COMPILE_COMMANDS=ON
ours_only "$made/parent-build"
quietly cmake --install "$made/parent-build" --prefix "$made/parent-prefix"
[[ ! -e $made/parent-prefix ]] || die "memlong is installed with a project that has it in a folder"

say "the installed library: $count headers; the example remembers; in a folder of another project it is quiet"
