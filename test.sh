#!/usr/bin/env bash
# Installs what is missing, builds and runs every test. Ends with the line "N passed, N failed, N skipped".
# usage: ./test.sh [PRESET [CTEST ARGUMENTS...]]     PRESET: release (default), debug, asan, baseline, mpi, cuda, arm64 (emulated: an hour)
# Tests that want real recordings look in $SHINDEN_DATA, else ../shared/data, and skip with a reason where there are none.
set -euo pipefail
cd "$(dirname "$0")"
preset=${1:-release}
[ $# -gt 0 ] && shift

setup=()
case $preset in
  mpi) setup=(--mpi) ;;
  arm64)
    setup=(--arm64)
    export QEMU_LD_PREFIX=$PWD/build/arm64-root ;;
esac
./setup.sh "${setup[@]}"
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset"
results=build/$preset/junit.xml
rm -f "$results"
status=0
ctest --test-dir "build/$preset" --no-tests=error --output-on-failure --test-output-size-passed 4000000 \
      --test-output-size-failed 4000000 --output-junit junit.xml "$@" || status=$?

# A cmocka program holds many tests and says so line by line; a script is one test. A program that died part-way counts as
# one more failure.
counts=$(awk '
  /<testcase /            { failed_inside = 0; cases = 0; is_fail = /status="fail"/; is_skip = /status="(notrun|disabled)"/ }
  /\[       OK \]/        { passed++; cases++ }
  /\[  FAILED  \] [a-z]/  { if (!seen[$0]++) { failed++; failed_inside++; cases++ } }
  /\[  SKIPPED \] [a-z]/  { if (!seen[$0]++) { skipped++; cases++ } }
  /<\/testcase>/          { if (is_fail) { if (!failed_inside) failed++ }
                            else if (is_skip) skipped++
                            else if (!cases) passed++ }
  END { printf "%d passed, %d failed, %d skipped", passed, failed, skipped }' "$results")
sed -n 's/^.*\(skipped: .*\)$/\1/p' "$results" | sort | uniq -c | sed 's/^ *\([0-9]*\) /\1 tests /'
echo "$counts"
exit $status
