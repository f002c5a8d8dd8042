#!/usr/bin/env bash
# Fuzzes every target (or those named) under address and undefined-behaviour sanitizers, from its corpus and its must_fail files, and prints
# executions and coverage of each. Findings land in build/fuzz/findings; exits 1 if there are any.
# usage: tests/fuzz/run.sh [-t SECONDS_EACH] [TARGET...]      default 60 s; needs ./setup.sh --fuzz
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=60
while getopts t: option; do
  case $option in
    t) seconds=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz | tail -n 1
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for source in tests/fuzz/fuzz_*.c; do targets+=("$(basename "$source" .c | sed 's/^fuzz_//')"); done
fi
mkdir -p build/fuzz/findings build/fuzz/grown
failed=0
printf '%-16s %12s %10s %10s\n' target executions coverage findings
for target in "${targets[@]}"; do
  mkdir -p "build/fuzz/grown/$target"
  seeds=()
  for folder in "tests/fuzz/corpus/$target" "tests/must_fail/$target"; do [ -d "$folder" ] && seeds+=("$folder"); done
  log=build/fuzz/$target.log
  status=0
  "build/fuzz/tests/fuzz_$target" -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=20 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/findings/$target-" "build/fuzz/grown/$target" "${seeds[@]}" >"$log" 2>&1 || status=$?
  found=$(find build/fuzz/findings -name "$target-*" | wc -l)
  printf '%-16s %12s %10s %10s\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)" \
    "$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)" "$found"
  [ "$status" -eq 0 ] && [ "$found" -eq 0 ] || failed=1
done
exit $failed
