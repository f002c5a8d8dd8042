#!/usr/bin/env bash
# MIT-BIH from its files to numbers: two leads, windows labelled from the annotations, trained and evaluated with the ten others missing.
# usage: mitdb.sh PROGRAM
set -euo pipefail
shinden=$1
data=${SHINDEN_DATA:-../shared/data}/mitdb
[ -d "$data" ] || { echo "skipped: no recordings at $data"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "mitdb.sh: $*" >&2; exit 1; }

mkdir "$dir/set"
for record in 106 107 119 200 201 203 207 214 223 231; do cp "$data/$record".* "$dir/set"; done
"$shinden" import --preset mitdb "$dir/set" -o "$dir/c.h5" --fs 50 > "$dir/out"
grep -q '1810 found, 1810 kept, 0 refused; 10 patients' "$dir/out" || fail "import: $(head -1 "$dir/out")"
grep -Eq "mitdb +N +11290$" "$dir/out" || fail "N, which stands for no finding, is not counted: $(cat "$dir/out")"
grep -Eq "mitdb +Q +6$" "$dir/out" || fail "Q (4 of 203, 2 of 214) is not counted: $(cat "$dir/out")"
grep -q '^201.hea,mitdb,kept,,missing_lead' "$dir/c.h5.manifest.csv" || fail "the manifest is silent about missing leads"
for split in train val; do grep -Eq "mitdb +$split +[0-9]" "$dir/out" || fail "no $split: $(cat "$dir/out")"; done

"$shinden" train "$dir/c.h5" --loss siglip-jaccard --width 8 --blocks 1,1 --embed 16 --epochs 1 -o "$dir/run" > /dev/null 2> "$dir/err" || fail "train: $(cat "$dir/err")"
"$shinden" eval "$dir/run/model.safetensors" "$dir/c.h5" --split val --bootstrap 20 --json --findings @mitdb > "$dir/e.json"
grep -q '"id": "ventricular_premature_complex"' "$dir/e.json" || fail "no beats in the result"
grep -q '"id": "sinus_rhythm"' "$dir/e.json" || fail "no rhythms in the result"
echo "mitdb.sh: passed"
