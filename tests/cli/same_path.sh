#!/usr/bin/env bash
# One signal path: a file, its row in a cohort at the model's rate, and its row in a cohort at the file's own rate give the same vectors. The
# first two bit for bit; the third within the rounding of a resampled microvolt.
set -euo pipefail
shinden=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "$*"; exit 1; }

"$shinden" simulate -n 60 --seed 9 --fs 500 -o "$dir/sim" >/dev/null
"$shinden" import --map "$dir/sim/mapping.yaml" "$dir/sim" --simulated --fs 100 -o "$dir/100.h5" >/dev/null
"$shinden" import --map "$dir/sim/mapping.yaml" "$dir/sim" --simulated -o "$dir/500.h5" >/dev/null
"$shinden" train "$dir/100.h5" --loss bce --width 8 --blocks 1,1 --embed 16 --epochs 1 --batch-size 16 -o "$dir/run" >/dev/null 2>&1
model=$dir/run/model.safetensors
"$shinden" embed "$model" "$dir/100.h5" -o "$dir/cohort.npy" >/dev/null
"$shinden" embed "$model" "$dir/500.h5" -o "$dir/own_rate.npy" >/dev/null
"$shinden" embed "$model" "$dir/sim/records" -o "$dir/files.npy" >/dev/null
# rows of a cohort and files of a folder are both in order of path
cmp "$dir/cohort.npy" "$dir/files.npy" || fail "a file and its cohort row differ"
[ "$(stat -c %s "$dir/own_rate.npy")" -eq "$(stat -c %s "$dir/cohort.npy")" ] || fail "the 500 Hz cohort has other rows"
floats() { tail -c $((60 * 16 * 4)) "$1" | od -An -v -tf4 -w4; }
paste <(floats "$dir/cohort.npy") <(floats "$dir/own_rate.npy") | awk '
  { d = $1 - $2; if (d < 0) d = -d; s = $1 < 0 ? -$1 : $1; n++; sum += d; size += s }
  END { exit !(n == 960 && sum / size < 1e-3) }' || fail "a cohort at 500 Hz is not resampled to the model's 100 Hz"
"$shinden" import --map "$dir/sim/mapping.yaml" "$dir/sim" --simulated --fs 50 -o "$dir/50.h5" >/dev/null
if "$shinden" embed "$model" "$dir/50.h5" -o "$dir/x.npy" >/dev/null 2>"$dir/err"; then fail "50 Hz was taken for 100 Hz"; fi
grep -q 'fs_mismatch' "$dir/err" || fail "no reason: $(cat "$dir/err")"
echo ok
