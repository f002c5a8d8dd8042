#!/usr/bin/env bash
# Training memory and rate must not depend on the size of the cohort: the same number of steps on a cohort and on one 20 times larger
# (simulated, 100 Hz). Prints peak anonymous memory (mapped cohort pages do not count) and records/s of both, and their ratios.
# usage: bench/memory.sh [RECORDS]      default 1000
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/peak.inc
n=${1:-1000}
shinden=build/release/shinden
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
steps=260
for factor in 1 20; do
  $shinden simulate -n $((n * factor)) --fs 100 --seed 1 -o "$out/sim$factor" >&2
  $shinden import --map "$out/sim$factor/mapping.yaml" "$out/sim$factor" -o "$out/$factor.h5" >&2
  started=$(date +%s%N)
  peak=$(peak_of $shinden train "$out/$factor.h5" --loss siglip-jaccard --epochs 1000 --stop-after "step:$steps" -o "$out/run$factor")
  rate=$(tail -n 200 "$out/run$factor/log.jsonl" | sed -n 's/.*"records_per_second": *\([0-9.]*\).*/\1/p' | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }')
  echo "$factor $peak $rate $(( ($(date +%s%N) - started) / 1000000 ))" >> "$out/rows"
  printf 'cohort of %d records: peak anonymous memory %.1f MB, %s records/s (median of the epochs)\n' $((n * factor)) "$(awk "BEGIN { print $peak / 1024 }")" "$rate"
done
awk 'NR == 1 { p = $2; r = $3 } NR == 2 { printf "ratio large : small  memory %.3f, records/s %.3f\n", $2 / p, $3 / r; exit !($2 / p <= 1.05) }' "$out/rows"
