#!/usr/bin/env bash
# Records a second of one rank and of two ranks with one thread each, in turn, on simulated records of 10 s at 500 Hz, and the ratio of the medians.
# usage: bench/ranks.sh [-n ROUNDS] [-w WIDTH] [-s SECONDS_OF_CROP]     needs cmake --preset mpi && cmake --build --preset mpi
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" != 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1     # a container
rounds=3 width=64 crop=0
while getopts n:w:s: option; do
  case $option in
    n) rounds=$OPTARG ;;
    w) width=$OPTARG ;;
    s) crop=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shinden=$PWD/build/mpi/shinden
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$shinden" simulate -n 128 --seed 3 -o "$dir/sim" >/dev/null
"$shinden" import --map "$dir/sim/mapping.yaml" -o "$dir/c.h5" --fs 500 --allow-upsampling >/dev/null
rate() {
  rm -rf "$dir/run"
  mpirun -n "$1" "$shinden" train "$dir/c.h5" --loss clip --text hash --width "$width" --crop-seconds "$crop" --epochs 3 --batch-size 32 --n-threads 1 --precision f32 \
    --checkpoint-seconds 3600 -o "$dir/run" >/dev/null 2>&1
  sed -n 's/.*"event":[ ]*"epoch".*"records_per_second":[ ]*\([0-9.]*\).*/\1/p' "$dir/run/log.jsonl" | tail -n 1
}
median() { sort -g | awk '{ x[NR] = $1 } END { print NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2 }'; }
for _ in $(seq "$rounds"); do
  rate 1 >>"$dir/one"
  rate 2 >>"$dir/two"
done
one=$(median <"$dir/one")
two=$(median <"$dir/two")
echo "one rank: $(paste -sd' ' "$dir/one") records/s; two ranks: $(paste -sd' ' "$dir/two")"
awk -v a="$one" -v b="$two" 'BEGIN { printf "two ranks over one: %.2f\n", b / a }'
