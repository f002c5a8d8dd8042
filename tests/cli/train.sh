#!/usr/bin/env bash
# The verb train: every loss, the settings file, what it leaves behind, and what it says about bad input.
set -euo pipefail
shinden=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "$*"; exit 1; }
# refused CODE WORDS COMMAND...: ends with CODE and one line that holds WORDS
refused() {
    local code=$1 words=$2 status=0
    shift 2
    "$@" > "$dir/out" 2> "$dir/err" || status=$?
    [ "$status" -eq "$code" ] || fail "$*: ended with $status, not $code: $(cat "$dir/err")"
    grep -qF -- "$words" "$dir/err" || fail "$*: no '$words' in: $(cat "$dir/err")"
}

"$shinden" simulate -n 120 --seed 3 -o "$dir/sim" > /dev/null
"$shinden" import --map "$dir/sim/mapping.yaml" -o "$dir/c.h5" --fs 100 > /dev/null
small=(--width 8 --blocks 1,1 --embed 16 --epochs 2 --batch-size 16)

for loss in bce clip clip-multi siglip siglip-jaccard jaccard-softmax class-columns; do
    "$shinden" train "$dir/c.h5" --loss "$loss" "${small[@]}" -o "$dir/$loss" > "$dir/out" 2> "$dir/err" || fail "$loss: $(cat "$dir/err")"
    grep -qF "model: $dir/$loss/model.safetensors" "$dir/out" || fail "$loss: no path of the model"
    for left in config.yaml log.jsonl events.out.tfevents.0.shinden checkpoints/last.safetensors model.safetensors; do
        [ -s "$dir/$loss/$left" ] || fail "$loss: no $left"
    done
done
grep -q '"hash, seed 1, width 384' "$dir/clip/log.jsonl" || fail "the log does not say that the text vectors are random"

# config.yaml of a run is a config file: it gives the same run again; flags win over it
"$shinden" train "$dir/c.h5" --config "$dir/clip/config.yaml" -o "$dir/again" > /dev/null 2>&1
cmp "$dir/clip/model.safetensors" "$dir/again/model.safetensors"
"$shinden" train "$dir/c.h5" --config "$dir/clip/config.yaml" --epochs=1 -o "$dir/short" --json > "$dir/json" 2> /dev/null
grep -qx 'epochs: 1' "$dir/short/config.yaml" || fail "a flag does not win over the file"
grep -q '"research_use_only": true' "$dir/json" || fail "no JSON"
grep -q '"auroc_macro"' "$dir/json" || fail "no validation metrics"

"$shinden" train --help | grep -q -- '--batch-size' || fail "no help"
refused 2 "which cohort" "$shinden" train
refused 2 "--loss" "$shinden" train "$dir/c.h5" -o "$dir/x"
refused 2 "no loss 'nt-xent'" "$shinden" train "$dir/c.h5" --loss nt-xent -o "$dir/x"
refused 2 "no flag '--batch-sise'" "$shinden" train "$dir/c.h5" --loss bce --batch-sise 3 -o "$dir/x"
refused 2 "batch_size" "$shinden" train "$dir/c.h5" --loss bce --batch-size 1 -o "$dir/x"
refused 1 "--resume" "$shinden" train "$dir/c.h5" --loss clip "${small[@]}" -o "$dir/clip"
refused 1 "other settings" "$shinden" train "$dir/c.h5" --loss clip "${small[@]}" --lr 1 --resume -o "$dir/clip"
refused 1 "not_found" "$shinden" train "$dir/none.h5" --loss bce -o "$dir/x"
refused 1 "not_found" "$shinden" train "$dir/c.h5" --loss clip --text "$dir/none.safetensors" -o "$dir/x"
refused 1 "no_split" "$shinden" train "$dir/c.h5" --loss bce --split nowhere -o "$dir/x"
printf 'epochs: 3\nbatch_sise: 4\n' > "$dir/bad.yaml"
refused 1 "line 2" "$shinden" train "$dir/c.h5" --loss bce --config "$dir/bad.yaml" -o "$dir/x"
[ ! -e "$dir/x/model.safetensors" ] || fail "a refused run left a model"
echo ok
