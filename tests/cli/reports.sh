#!/usr/bin/env bash
# Reports as text side: text encode --sentences, train --sentences and --coded, the read-outs sentences and joint, any phrase in eval and predict;
# and pretrain with train --init. The reports are the simulated records' findings put into words.
# usage: reports.sh PROGRAM
set -euo pipefail
shinden=$(realpath "$1")
lm=$PWD/tests/golden/lm/bert
other=$PWD/tests/golden/lm/xlmr
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "reports.sh: $*"; exit 1; }
# quiet COMMAND...: must succeed; what it says is shown only if it does not
quiet() { "$@" > "$dir/quiet" 2>&1 || fail "$*: ended with $?: $(cat "$dir/quiet")"; }
# refused CODE WORDS COMMAND...: ends with CODE and one line that holds WORDS
refused() {
    local code=$1 words=$2 status=0
    shift 2
    "$@" > "$dir/out" 2> "$dir/err" || status=$?
    [ "$status" -eq "$code" ] || fail "$*: ended with $status, not $code: $(cat "$dir/err")"
    grep -qF -- "$words" "$dir/err" || fail "$*: no '$words' in: $(cat "$dir/err")"
    [ "$(grep -vc '^shinden train: texts' "$dir/err")" -eq 1 ] || fail "$*: more than a line: $(cat "$dir/err")"
}

quiet "$shinden" simulate -n 120 --seed 3 -o "$dir/sim"
awk -F, -v OFS=, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; print $0, "report"; next }
    { words = $at["labels"]; gsub(/_/, " ", words); gsub(/;/, ". ", words); print $0, NR % 5 ? words ". record of good quality." : "" }' \
    "$dir/sim/labels.csv" > "$dir/labels.csv"
mv "$dir/labels.csv" "$dir/sim/labels.csv"
sed 's/^split: split/&\nreport: report/' "$dir/sim/mapping.yaml" > "$dir/sim/reports.yaml"
quiet "$shinden" import --map "$dir/sim/reports.yaml" "$dir/sim" -o "$dir/c.h5" --fs 100
small=(--width 8 --blocks 1,1 --embed 16 --epochs 2 --batch-size 16)

# the cache: findings' texts and every sentence once
"$shinden" text encode --model "$lm" --cohort "$dir/c.h5" --sentences -o "$dir/v.safetensors" > "$dir/out"
"$shinden" text encode --model "$lm" --cohort "$dir/c.h5" -o "$dir/without.safetensors" > "$dir/out.without"
[ "$(cut -d' ' -f1 "$dir/out" | sed -n 1p)" -gt "$(cut -d' ' -f1 "$dir/out.without" | sed -n 1p)" ] || fail "--sentences adds no text"
quiet "$shinden" text encode --model "$other" --cohort "$dir/c.h5" --sentences -o "$dir/other.safetensors"
refused 2 "--sentences go with --cohort" "$shinden" text encode --model "$lm" --labels builtin --sentences -o "$dir/x.safetensors"

# training: with a head and with text columns; a sentence without a vector is named
for loss in bce class-columns; do
    "$shinden" train "$dir/c.h5" --loss $loss --text "$dir/v.safetensors" --sentences 0.5 "${small[@]}" -o "$dir/$loss" > "$dir/out" 2> "$dir/err" \
        || fail "$loss: $(cat "$dir/err")"
    "$shinden" model show "$dir/$loss/model.safetensors" > "$dir/out"
    grep -q 'read-outs.* sentences.* joint' "$dir/out" || fail "$loss: no read-out sentences: $(grep read-outs "$dir/out")"
    grep -q 'record of good quality' "$dir/out" || fail "$loss: the commonest sentence is not shown"
    for readout in sentences joint; do
        "$shinden" eval "$dir/$loss/model.safetensors" "$dir/c.h5" --split val --readout $readout --bootstrap 0 --no-controls --json > "$dir/e.json"
        grep -q "\"readout\": \"$readout\"" "$dir/e.json" || fail "$loss: $readout is not evaluated"
    done
done
grep -q '"sentence_loss": ' "$dir/bce/log.jsonl" || fail "the log has no sentence_loss"
refused 1 "no vector for the sentence 'first degree av block'" "$shinden" train "$dir/c.h5" --loss bce --text "$dir/without.safetensors" --sentences 1 "${small[@]}" -o "$dir/x"
refused 1 "differ in their" "$shinden" train "$dir/c.h5" --loss bce --text "$dir/v.safetensors" --sentences 1 --sentence-text "$dir/other.safetensors" "${small[@]}" -o "$dir/x"
refused 1 "name e5-small or a file" "$shinden" train "$dir/c.h5" --loss bce --sentences 1 "${small[@]}" -o "$dir/x"
refused 1 "only with sentences above 0" "$shinden" train "$dir/c.h5" --loss bce --sentence-text "$dir/v.safetensors" "${small[@]}" -o "$dir/x"

# few codes: so many records keep their labels, the model says so
quiet "$shinden" train "$dir/c.h5" --loss bce --text "$dir/v.safetensors" --sentences 1 --coded 30 "${small[@]}" -o "$dir/few"
grep -q '"coded":"30"' "$dir/few/log.jsonl" || fail "the log does not say how many records are coded"
grep -qx 'coded: 30' "$dir/few/config.yaml" || fail "nor does config.yaml"
"$shinden" model show "$dir/few/model.safetensors" --json > "$dir/out"
grep -q '"n_coded": 30' "$dir/out" || fail "nor does the model"
refused 1 "fewer than 5000" "$shinden" train "$dir/c.h5" --loss bce --coded 5000 "${small[@]}" -o "$dir/x"

# any phrase: from the cache, from the language model (the same numbers), by its own name as the finding itself
m=$dir/class-columns/model.safetensors
"$shinden" eval "$m" "$dir/c.h5" --split val --text "atrial fibrillation" --vectors "$dir/v.safetensors" --truth atrial_fibrillation --bootstrap 50 --json > "$dir/p.json"
"$shinden" eval "$m" "$dir/c.h5" --split val --text "atrial fibrillation" --text-model "$lm" --truth atrial_fibrillation --bootstrap 50 --json > "$dir/q.json"
cmp "$dir/p.json" "$dir/q.json" || fail "cache and language model differ"
auroc() { jq "$1" "$2"; }
if command -v jq > /dev/null; then
    "$shinden" eval "$m" "$dir/c.h5" --split val --readout sentences --bootstrap 0 --no-controls --json > "$dir/e.json"
    a=$(auroc '.readouts[] | select(.readout == "sentences").auroc.value' "$dir/p.json")
    b=$(auroc '.per_label[] | select(.id == "atrial_fibrillation").auroc' "$dir/e.json")
    [ "$a" = "$b" ] || fail "the phrase that is the finding's name has AUROC $a, the finding $b"
    [ "$(jq -r '.readouts[] | select(.readout == "nearest").nearest.id' "$dir/p.json")" = atrial_fibrillation ] || fail "a finding's own name is not nearest to it"
fi
grep -q '"sentences": \[' "$dir/p.json" || fail "no sentences that speak for the phrase"
"$shinden" eval "$m" "$dir/c.h5" --split val --text "sinus rhythm" --vectors "$dir/v.safetensors" > "$dir/out"
grep -q 'no truth given' "$dir/out" || fail "a phrase without a truth: $(cat "$dir/out")"
refused 1 "differ in their" "$shinden" eval "$m" "$dir/c.h5" --split val --text "sinus rhythm" --text-model "$other"
refused 1 "differ in their" "$shinden" eval "$m" "$dir/c.h5" --split val --text "sinus rhythm" --vectors e5-small
refused 1 "no vector for the text" "$shinden" eval "$m" "$dir/c.h5" --split val --text "nothing of the kind" --vectors "$dir/v.safetensors"
refused 1 "needs a vector" "$shinden" eval "$m" "$dir/c.h5" --split val --text "sinus rhythm"
refused 1 "no finding of" "$shinden" eval "$m" "$dir/c.h5" --split val --text "sinus rhythm" --vectors "$dir/v.safetensors" --truth nonsense
refused 2 "go with --text" "$shinden" eval "$m" "$dir/c.h5" --split val --truth sinus_rhythm
record=$(find "$dir/sim" -name '*.hea' | sort | sed -n 1p)
"$shinden" predict "$m" "$record" --text "irregular rhythm" --text-model "$lm" > "$dir/out"
grep -q "'irregular rhythm': score class .* sentences .* nearest " "$dir/out" || fail "predict: $(cat "$dir/out")"
"$shinden" predict "$m" "$record" --text "sinus rhythm" --vectors "$dir/v.safetensors" --json > "$dir/out"
grep -q '"phrase"' "$dir/out" || fail "predict --json has no phrase"
refused 2 "text and the JSON" "$shinden" predict "$m" "$record" --text "sinus rhythm" --vectors "$dir/v.safetensors" --csv
# a model without texts: only its nearest finding, by any language model; one of random vectors: nothing
quiet "$shinden" train "$dir/c.h5" --loss bce "${small[@]}" -o "$dir/plain"
"$shinden" eval "$dir/plain/model.safetensors" "$dir/c.h5" --split val --text "fibrillation of the atria" --text-model "$lm" > "$dir/out"
grep -q '^nearest ' "$dir/out" || fail "a model without texts: $(cat "$dir/out")"
! grep -q '^class \|^sentences ' "$dir/out" || fail "a model without texts has no class read-out"
quiet "$shinden" train "$dir/c.h5" --loss class-columns --text hash --sentences 1 "${small[@]}" --epochs 1 -o "$dir/hash"
refused 1 "random text vectors" "$shinden" eval "$dir/hash/model.safetensors" "$dir/c.h5" --split val --text "sinus rhythm" --vectors "$dir/v.safetensors"

# pre-training: what it leaves, resumed to the same bytes after a kill, and training that starts from it
pre=(--width 8 --blocks 1,1 --embed 16 --epochs 6 --batch-size 16 --checkpoint-seconds 0)
"$shinden" pretrain "$dir/c.h5" "${pre[@]}" -o "$dir/pre" > "$dir/out" 2> "$dir/err" || fail "pretrain: $(cat "$dir/err")"
grep -qF "encoder: $dir/pre/encoder.safetensors" "$dir/out" || fail "no path of the encoder"
for left in config.yaml log.jsonl events.out.tfevents.0.shinden checkpoints/last.safetensors encoder.safetensors; do [ -s "$dir/pre/$left" ] || fail "pretrain left no $left"; done
! grep -q '^loss:\|^text:' "$dir/pre/config.yaml" || fail "pretrain reads no loss and no text, and config.yaml says so"
"$shinden" pretrain "$dir/c.h5" "${pre[@]}" -o "$dir/killed" > /dev/null 2>&1 & pid=$!
for _ in $(seq 200); do [ -s "$dir/killed/checkpoints/last.safetensors" ] && break; sleep 0.02; done
kill -9 $pid 2> /dev/null || true
wait $pid 2> /dev/null || true
quiet "$shinden" pretrain "$dir/c.h5" "${pre[@]}" --resume -o "$dir/killed"
cmp "$dir/pre/encoder.safetensors" "$dir/killed/encoder.safetensors" || fail "a killed and resumed run ends otherwise"
quiet "$shinden" pretrain "$dir/c.h5" --config "$dir/pre/config.yaml" -o "$dir/again"
cmp "$dir/pre/encoder.safetensors" "$dir/again/encoder.safetensors" || fail "config.yaml does not give the run again"
quiet "$shinden" train "$dir/c.h5" --loss bce --init "$dir/pre" "${small[@]}" -o "$dir/from"
cmp -s "$dir/from/model.safetensors" "$dir/plain/model.safetensors" && fail "--init changes nothing"
grep -q '"init":"[0-9a-f]\{64\}"' "$dir/from/log.jsonl" || fail "the log does not name the weights that training started from"
"$shinden" model show "$dir/from/model.safetensors" --json > "$dir/out"
grep -q '"init_sha256"' "$dir/out" || fail "nor does the model"
refused 1 "encoder.fc.weight" "$shinden" train "$dir/c.h5" --loss bce --init "$dir/pre" "${small[@]}" --embed 24 -o "$dir/x"
refused 1 "holds neither" "$shinden" train "$dir/c.h5" --loss bce --init "$dir" "${small[@]}" -o "$dir/x"
refused 2 "no flag '--loss'" "$shinden" pretrain "$dir/c.h5" --loss clip -o "$dir/x"
printf 'epochs: 2\nleave_out: sinus_rhythm\n' > "$dir/other.yaml"
refused 1 "line 2, column 12: pretrain has no setting 'leave_out'" "$shinden" pretrain "$dir/c.h5" --config "$dir/other.yaml" -o "$dir/x"
refused 2 "which cohorts" "$shinden" pretrain -o "$dir/x"
refused 1 "holds a run already" "$shinden" pretrain "$dir/c.h5" "${pre[@]}" -o "$dir/pre"
"$shinden" pretrain --help > "$dir/out"
grep -q -- "--lead-dropout" "$dir/out" || fail "no help"
echo ok
