#!/usr/bin/env bash
# The first paper's size: a cohort of 37,285 simulated records and 98 findings (the simulator's own, the rest drawn), one epoch of ResNet-18 at 12 x 4992.
# Prints seconds of import and epoch, records/s, the loader's wait, peak memory beside that of a cohort of a tenth, which must be flat.
# Bars: under 15 minutes for the epoch without AMX, under 4 with it (two cores); memory within a tenth of the small cohort's, mapped pages of the file apart. Exits 1 when one is missed.
# usage: bench/scale.sh [-n RECORDS] [-p PRECISION] [-o FOLDER]      needs jq, 15 GB of disk, some 20 minutes on two quiet cores
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/peak.inc
n=37285 precision=auto out=build/scale
while getopts n:p:o: option; do
  case $option in
    n) n=$OPTARG ;;
    p) precision=$OPTARG ;;
    o) out=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shinden=build/release/shinden
mkdir -p "$out"

# simulated records, and in every tenth to every two-hundredth of them a drawn finding of the registry: labels to count, not to learn
make_cohort() {
  local name=$1 records=$2
  [ -f "$out/$name.h5" ] && return
  rm -rf "$out/$name"
  $shinden simulate -n "$records" --fs 500 --split train -o "$out/$name" >&2
  local own drawn
  own=$(sed -n 's/^  - \([a-z]\)/\1/p' "$out/$name/mapping.yaml" | grep -v '{')
  drawn=$($shinden labels list --json | jq -r '.findings[].id' | grep -vxF "$own" | head -n $((98 - $(wc -l <<<"$own"))))
  sed 's/^/  - /' <<<"$drawn" >>"$out/$name/mapping.yaml"
  awk -F, -v OFS=, -v drawn="$(tr '\n' ' ' <<<"$drawn")" 'BEGIN { srand(1); n = split(drawn, id, " ") }
    NR > 1 { for (k = 1; k <= n; k++) if (rand() < 0.1 / (1 + (k - 1) / 3)) $7 = $7 ($7 == "" ? "" : ";") id[k] } { print }' "$out/$name/labels.csv" >"$out/$name/labels.part"
  mv "$out/$name/labels.part" "$out/$name/labels.csv"
  local start=$SECONDS
  $shinden import --map "$out/$name/mapping.yaml" "$out/$name" --simulated -o "$out/$name.h5" >&2
  echo "$name: $records records imported in $((SECONDS - start)) s, $(du -m "$out/$name.h5" | cut -f1) MB"
  rm -rf "$out/$name"
}

# one epoch; the line of the log has what it cost. Sets seconds and megabytes.
train() {
  local name=$1 start=$SECONDS
  rm -rf "$out/run-$name"
  megabytes=$(($(peak_of $shinden train "$out/$name.h5" --loss clip-multi --text e5-small --text-form name+criterion --width 64 --crop-seconds 9.984 --batch-size 32 --epochs 1 \
    --precision "$precision" -o "$out/run-$name") / 1024 + 1))
  seconds=$((SECONDS - start))
  grep -q '"event": *"epoch"' "$out/run-$name/log.jsonl" || { echo "$name: the epoch did not end; run it by hand to see why" >&2; exit 1; }
  grep '"event": *"epoch"' "$out/run-$name/log.jsonl" | jq -r --arg name "$name" --arg mb "$megabytes" --arg s "$seconds" \
    '"\($name): one epoch in \($s) s, \(.records_per_second) records/s, loader waited for \(.loader_wait_share) of the time, peak anonymous memory \($mb) MB, loss \(.epoch_loss)"'
}

printf 'Machine: %s, %s threads. %s\n' "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)" "$(nproc)" "$($shinden --version)"
bar=900
grep -qw amx_tile /proc/cpuinfo && bar=240
make_cohort tenth $((n / 10))
make_cohort whole "$n"
train tenth
small=$megabytes
train whole
failed=0
verdict() { if [ "$1" -le "$2" ]; then echo "$3 $1, bar $2: met"; else echo "$3 $1, bar $2: missed"; failed=1; fi; }
verdict "$seconds" $((bar * n / 37285)) "seconds for the epoch"
verdict "$megabytes" $((small * 11 / 10)) "anonymous memory (MB)"
exit $failed
