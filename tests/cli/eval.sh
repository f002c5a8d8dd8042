#!/usr/bin/env bash
# The verb eval: what its JSON promises (docs/json.md), table, CSV and page, every read-out that applies, and what it refuses.
# usage: eval.sh PROGRAM
set -euo pipefail
shinden=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "eval.sh: $*" >&2; exit 1; }
# refused CODE WORDS COMMAND...: ends with CODE, nothing on stdout, and one line that holds WORDS
refused() {
    local code=$1 words=$2 status=0
    shift 2
    "$@" > "$dir/out" 2> "$dir/err" || status=$?
    [ "$status" -eq "$code" ] || fail "$*: ended with $status, not $code: $(cat "$dir/err")"
    [ ! -s "$dir/out" ] || fail "$*: wrote a result"
    [ "$(wc -l < "$dir/err")" -eq 1 ] || fail "$*: more than a line: $(cat "$dir/err")"
    grep -qF -- "$words" "$dir/err" || fail "$*: no '$words' in: $(cat "$dir/err")"
}
# value FILE NAME: the value of a metric of the model (the first of that name)
value() { grep -A1 -m1 "\"$2\": {" "$1" | tail -1 | sed 's/.*"value": //; s/,$//'; }

"$shinden" simulate -n 150 --seed 4 -o "$dir/sim" > /dev/null
"$shinden" import --simulated --map "$dir/sim/mapping.yaml" -o "$dir/c.h5" --fs 100 > /dev/null
small=(--width 8 --blocks 1,1 --embed 16 --epochs 3 --batch-size 16 --class-columns 0)     # class-prior is a read-out of the pair loss alone
for loss in bce siglip-jaccard; do
    "$shinden" train "$dir/c.h5" --loss "$loss" "${small[@]}" -o "$dir/$loss" > /dev/null 2> "$dir/err" || fail "train $loss: $(cat "$dir/err")"
done
text=$dir/siglip-jaccard/model.safetensors
bce=$dir/bce/model.safetensors

# the document
"$shinden" eval "$text" "$dir/c.h5" --split val --bootstrap 50 --json --csv "$dir/e.csv" --html "$dir/e.html" > "$dir/e.json" 2> "$dir/err"
[ ! -s "$dir/err" ] || fail "noise on stderr: $(cat "$dir/err")"
for key in auroc_macro auroc_macro_10 auroc_macro_pos5 auprc_macro auprc_macro_pos5 f1_micro_05 f1_micro_tuned f1_micro_per_label f1_micro_prevalence f1_macro_tuned f1_sample_tuned \
           jaccard_sample jaccard_micro top1 top5 top1_specific top5_specific recall_at_5 ece_raw ece; do
    [ "$(grep -c "^ *\"$key\": {" "$dir/e.json")" -eq 4 ] || fail "$key: not once for the model and once for each control"
    v=$(value "$dir/e.json" "$key")
    [ "$v" = null ] || awk -v v="$v" 'BEGIN { exit !(v >= 0 && v <= 1) }' || fail "$key is $v"
done
for key in schema_version research_use_only readout fitted_on n_records n_patients n_records_in_train controls missed_urgent; do
    grep -q "^ \"$key\": " "$dir/e.json" || fail "no $key"
done
for key in id codes name_en name_ja n_pos n_known auroc auprc threshold sensitivity specificity ppv npv top1 top5; do
    grep -q "\"$key\": " "$dir/e.json" || fail "no per_label key $key"
done
! grep -qiE '\bnan\b|\binf\b' "$dir/e.json" || fail "a number that JSON lacks"
grep -q '"simulated": true' "$dir/e.json" || fail "the document does not say that the records are simulated"
grep -q 'SIMULATED' "$dir/e.html" || fail "nor does the page"
grep -q 'cross-fitted on these records' "$dir/e.json" || fail "val was used for fitting and is not cross-fitted"
[ "$(wc -l < "$dir/e.csv")" -eq $((1 + $(grep -c '"n_known"' "$dir/e.json"))) ] || fail "CSV of $(wc -l < "$dir/e.csv") lines"
head -1 "$dir/e.csv" | grep -q '^id,name_en,name_ja,codes,n_pos,n_known' || fail "columns of the CSV: $(head -1 "$dir/e.csv")"
grep -q '"n_records_in_train": 0' "$dir/e.json" || fail "training records in val"

# the same numbers again, on one thread and on two
for threads in 1 2; do
    "$shinden" eval "$text" "$dir/c.h5" --split val --bootstrap 50 --no-controls --json --threads $threads > "$dir/t$threads.json"
done
cmp -s "$dir/t1.json" "$dir/t2.json" || fail "numbers depend on the threads"

# another split was not used for fitting; all holds training records and says so
"$shinden" eval "$text" "$dir/c.h5" --split test --bootstrap 0 --no-controls > "$dir/table"
grep -q "fitted on: split 'val'" "$dir/table" || fail "test: $(grep fitted "$dir/table")"
grep -q 'Not a medical device' "$dir/table" && grep -q 'SIMULATED' "$dir/table" && grep -q 'small data' "$dir/table" || fail "the table keeps quiet"
"$shinden" eval "$text" "$dir/c.h5" --split all --bootstrap 0 --no-controls > "$dir/table"
grep -q "are in split 'train'" "$dir/table" || fail "all: no word about training records"

# every read-out that applies
for readout in class class-prior marginal; do
    "$shinden" eval "$text" "$dir/c.h5" --split test --bootstrap 0 --no-controls --readout $readout --json > "$dir/r.json"
    grep -q "\"readout\": \"$readout\"" "$dir/r.json" || fail "read-out $readout"
done
"$shinden" eval "$bce" "$dir/c.h5" --split test --bootstrap 0 --no-controls --readout logit --json > "$dir/r.json"
refused 1 "does not apply" "$shinden" eval "$bce" "$dir/c.h5" --split test --readout marginal
refused 1 "does not apply" "$shinden" eval "$text" "$dir/c.h5" --split test --readout logit

# the controls are what they say: knowing only frequencies ranks no record before another
"$shinden" eval "$bce" "$dir/c.h5" --split test --bootstrap 0 --json > "$dir/b.json"
[ "$(sed -n '/"label_frequency"/,$p' "$dir/b.json" | grep -A1 -m1 '"auroc_macro": {' | grep -c '"value": 0.5,')" -eq 1 ] || fail "label frequency ranks records"

# a task: others are neither candidates nor truth
"$shinden" eval "$text" "$dir/c.h5" --split test --bootstrap 0 --no-controls --findings @rhythm --json --csv "$dir/r.csv" > "$dir/r.json"
grep -q '"findings_asked": "@rhythm"' "$dir/r.json" || fail "the document does not say what was asked"
grep -q '^sinus_rhythm,' "$dir/r.csv" && ! grep -q '^long_qt_interval,' "$dir/r.csv" || fail "@rhythm: $(cut -d, -f1 "$dir/r.csv" | tr '\n' ' ')"
refused 1 "'@rythm' is no task" "$shinden" eval "$text" "$dir/c.h5" --split test --findings @rythm
refused 1 "an empty list of findings" "$shinden" eval "$text" "$dir/c.h5" --split test --findings ""
refused 1 "is no finding of the model" "$shinden" eval "$text" "$dir/c.h5" --split test --findings sinus_rhythm,nothing

# groups: every metric by age, sex and source; supersets in both readings; findings left out of training
"$shinden" eval "$text" "$dir/c.h5" --split test --bootstrap 20 --no-controls --supersets --subgroups-csv "$dir/g.csv" > "$dir/table"
grep -q '^subgroups' "$dir/table" && grep -q '^supersets nobody trained on, read-out class; own text: built-in e5-small' "$dir/table" || fail "no groups in the table: $(cat "$dir/table")"
[ "$(head -1 "$dir/g.csv")" = by,group,n_records,n_patients,small,metric,value,low,high,n_undefined ] || fail "columns of the subgroups"
[ "$(grep -c '^source,.*,auroc_macro_pos5,' "$dir/g.csv")" -eq 1 ] || fail "one source, one row of a metric: $(grep -c '^source' "$dir/g.csv")"
grep -q '^sex,F,' "$dir/g.csv" && grep -q '^age,' "$dir/g.csv" || fail "subgroups without sex or age"
"$shinden" eval "$bce" "$dir/c.h5" --split test --bootstrap 0 --no-controls --supersets > "$dir/table"
grep -q 'own text: none: the model has no text side' "$dir/table" || fail "bce has no text of its own"
"$shinden" train "$dir/c.h5" --loss siglip-jaccard "${small[@]}" --leave-out atrial_fibrillation,first_degree_av_block -o "$dir/left" > /dev/null 2> "$dir/err" || fail "leave out: $(cat "$dir/err")"
"$shinden" eval "$dir/left/model.safetensors" "$dir/c.h5" --split test --bootstrap 20 --no-controls > "$dir/table"
grep -q '^2 findings that training knew nothing of (zero-shot)' "$dir/table" || fail "left-out findings are no group: $(cat "$dir/table")"

"$shinden" eval --help | grep -q '^example: ' || fail "help without an example"
refused 2 "needs --split" "$shinden" eval "$text" "$dir/c.h5"
refused 2 "needs a model and a cohort" "$shinden" eval "$text" --split val
refused 2 "--readout best" "$shinden" eval "$text" "$dir/c.h5" --split val --readout best
refused 2 "--wrong" "$shinden" eval "$text" "$dir/c.h5" --split val --wrong
refused 2 "--bootstrap" "$shinden" eval "$text" "$dir/c.h5" --split val --bootstrap -1
refused 1 "no_split" "$shinden" eval "$text" "$dir/c.h5" --split nowhere
refused 1 "not_found" "$shinden" eval "$dir/none.safetensors" "$dir/c.h5" --split val
refused 1 "not_found" "$shinden" eval "$text" "$dir/none.h5" --split val
refused 1 "e.json" "$shinden" eval "$dir/e.json" "$dir/c.h5" --split val
refused 1 "e.csv" "$shinden" eval "$text" "$dir/e.csv" --split val
refused 1 "gone" "$shinden" eval "$text" "$dir/c.h5" --split val --bootstrap 0 --no-controls --csv "$dir/gone/e.csv"
if [ -w /dev/full ]; then
    "$shinden" eval "$text" "$dir/c.h5" --split test --bootstrap 0 --no-controls --json > /dev/full 2> "$dir/err" && fail "a full disk was not noticed"
fi
"$shinden" import --map "$dir/sim/mapping.yaml" --fs 50 -o "$dir/other.h5" > /dev/null      # a higher rate is resampled (same_path.sh), a lower one refused
refused 1 "fs_mismatch" "$shinden" eval "$text" "$dir/other.h5" --split val
echo "eval.sh: passed"

# another institution at shared parents; here the home cohort itself, so every finding meets itself
"$shinden" eval "$bce" "$dir/c.h5" --split val --home "$dir/c.h5" --bootstrap 50 --json > "$dir/away.json" 2> "$dir/err" || fail "--home: $(cat "$dir/err")"
grep -q '"fitted_on": "home cohort.s val, labels closed upward to [0-9]* shared findings"' "$dir/away.json" || fail "--home: not fitted at home"
grep -q '"compared": "home: atrial_fibrillation; here: atrial_fibrillation"' "$dir/away.json" || fail "--home: no list of what meets"
grep -q '"skipped": "controls' "$dir/away.json" || fail "--home: controls"
