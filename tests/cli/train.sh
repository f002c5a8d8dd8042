#!/usr/bin/env bash
# The verb train: every loss, the settings file, what it leaves behind, and what it says about bad input.
set -euo pipefail
shinden=$(realpath "$1")
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

# texts: the compiled-in vectors unless asked otherwise, whatever the folder; config, log and model file say which
grep -q '"built-in e5-small: multilingual-e5-small' "$dir/clip/log.jsonl" || fail "the log does not name the built-in vectors"
grep -qx 'text: e5-small' "$dir/clip/config.yaml" || fail "config.yaml does not name the vectors"
grep -qx 'text: none' "$dir/bce/config.yaml" || fail "bce reads no texts, and config.yaml does not say so"
"$shinden" model show "$dir/clip/model.safetensors" > "$dir/out"
grep -q 'built-in e5-small' "$dir/out" || fail "the model file does not name the vectors: $(cat "$dir/out")"
for form in random code name name+criterion; do
    for language in ja en; do
        run=$dir/form-$form-$language
        (cd / && "$shinden" train "$dir/c.h5" --loss class-columns --text-form "$form" --language "$language" "${small[@]}" --epochs 1 -o "$run") \
            > /dev/null 2> "$dir/err" || fail "$form $language: $(cat "$dir/err")"
        grep -qF "$form, $language" <("$shinden" model show "$run/model.safetensors") || fail "the model file does not say $form, $language"
    done
done
cmp -s "$dir/form-name-en/model.safetensors" "$dir/form-name-ja/model.safetensors" && fail "the language changes nothing"
cmp -s "$dir/form-name-en/model.safetensors" "$dir/form-name+criterion-en/model.safetensors" && fail "the criterion changes nothing"
grep -q '"hash, seed 1, width 384' "$dir/form-random-en/log.jsonl" || fail "the log does not say that the text vectors are random"
"$shinden" train "$dir/c.h5" --loss class-columns --text hash "${small[@]}" --epochs 1 -o "$dir/hash" > /dev/null 2>&1
tensors() { tail -c +"$(($(od -An -tu8 -N8 "$1") + 9))" "$1" | sha256sum; }      # what follows the header: the header names the settings
[ "$(tensors "$dir/hash/model.safetensors")" = "$(tensors "$dir/form-random-en/model.safetensors")" ] || fail "random and hash differ"
refused 1 "no vector for the text" "$shinden" train "$dir/c.h5" --loss clip --record-text joined "${small[@]}" -o "$dir/x"
refused 1 "shinden text encode" "$shinden" train "$dir/c.h5" --loss clip --record-text joined "${small[@]}" -o "$dir/x"
refused 1 "code, name, name+criterion" "$shinden" train "$dir/c.h5" --loss clip --text-form name-en -o "$dir/x"
refused 1 "neither en nor ja" "$shinden" train "$dir/c.h5" --loss clip --language de -o "$dir/x"

# left out: training counts no label of the finding; the model still has its text, and eval scores it
"$shinden" train "$dir/c.h5" --loss class-columns --leave-out atrial_fibrillation "${small[@]}" -o "$dir/left" > /dev/null 2>&1
"$shinden" eval "$dir/left/model.safetensors" "$dir/c.h5" --split all --readout class --bootstrap 0 --no-controls --csv "$dir/left.csv" > /dev/null
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
         $at["id"] == "atrial_fibrillation" { left = $at["n_pos_train"] == 0 && $at["n_pos"] > 0 && $at["auroc"] != "" }
         $at["id"] != "atrial_fibrillation" && $at["n_pos_train"] > 0 { others++ }
         END { exit !(left && others > 3) }' "$dir/left.csv" || fail "a finding left out was trained on or is not scored, or others were left out too"
grep -qx 'leave_out: atrial_fibrillation' "$dir/left/config.yaml" || fail "config.yaml does not say what was left out"
refused 1 "'no_such' is no finding" "$shinden" train "$dir/c.h5" --loss clip --leave-out atrial_fibrillation,no_such -o "$dir/x"
"$shinden" train "$dir/c.h5" --loss class-columns --permute-texts 3 "${small[@]}" --epochs 1 -o "$dir/permuted" > /dev/null 2>&1
cmp -s "$dir/permuted/model.safetensors" "$dir/form-name-en/model.safetensors" && fail "permuted vectors change nothing"
refused 1 "permute_texts" "$shinden" train "$dir/c.h5" --loss clip --permute-texts 3 --record-text joined -o "$dir/x"

# config.yaml of a run is a config file: it gives the same run again; flags win over it
"$shinden" train "$dir/c.h5" --config "$dir/clip/config.yaml" -o "$dir/again" > /dev/null 2>&1
cmp "$dir/clip/model.safetensors" "$dir/again/model.safetensors"
"$shinden" train "$dir/c.h5" --config "$dir/clip/config.yaml" --epochs=1 -o "$dir/short" --json > "$dir/json" 2> /dev/null
grep -qx 'epochs: 1' "$dir/short/config.yaml" || fail "a flag does not win over the file"
grep -q '"research_use_only": true' "$dir/json" || fail "no JSON"
grep -q '"auroc_macro"' "$dir/json" || fail "no validation metrics"

"$shinden" train --help > "$dir/out"
grep -q -- "--batch-size" "$dir/out" || fail "no help"
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
