#!/usr/bin/env bash
# Peak anonymous memory (mapped cohort pages do not count) of training the full-width encoder on records of 12 x 5000, crop 4992: batch 32 in f32 and
# bf16, and contrastive batches of 1,024 in 32 parts. Checks the bars of docs/performance.md.
# usage: bench/memory_encoder.sh [STEPS]      default 3 (of batch 32; the large batch takes one)
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/peak.inc
steps=${1:-3}
shinden=build/release/shinden
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
$shinden simulate -n 1400 --fs 500 --seed 1 -o "$out/sim" >&2
$shinden import --map "$out/sim/mapping.yaml" "$out/sim" -o "$out/cohort.h5" >&2
failed=0
# peak NAME BAR_MB STEPS FLAG...
peak() {
  local name=$1 bar=$2 last=$3; shift 3
  local peak
  peak=$(peak_of $shinden train "$out/cohort.h5" --loss siglip-jaccard --width 64 --crop-seconds 9.984 --epochs 1000 --stop-after "step:$last" "$@" -o "$out/$name")
  grep -q "\"step\": *$last" "$out/$name/log.jsonl" || { echo "$name did not reach step $last"; exit 1; }
  local mb=$(( (peak + 1023) / 1024 )) verdict=met
  [ $mb -lt "$bar" ] || { verdict=missed; failed=1; }
  echo "$name: peak anonymous memory $mb MB, bar $bar MB: $verdict"
}
peak f32_batch_32 500 "$steps" --batch-size 32 --precision f32
grep -q avx512 /proc/cpuinfo && peak bf16_batch_32 350 "$steps" --batch-size 32 --precision bf16
peak f32_batch_1024_in_32 500 1 --batch-size 32 --accum-freq 32 --precision f32
exit $failed
