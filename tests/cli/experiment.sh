#!/usr/bin/env bash
# The verb experiment: a whole small one on simulated records, killed and resumed to the same report, and what it says about bad input.
set -euo pipefail
shinden=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "experiment: $*"; exit 1; }
echo 'leak:libfontconfig' >"$dir/suppressions"     # fontconfig keeps its tables to the end
export LSAN_OPTIONS=suppressions=$dir/suppressions:print_suppressions=0

"$shinden" simulate -n 150 --seed 5 -o "$dir/sim" >/dev/null
caveat=$(printf '少数の記録による%.0s' {1..30})    # 720 bytes: a buffer would end in the middle of a letter
cat >"$dir/x.yaml" <<YAML
version: 1
title: Small
seeds: [1, 2]
bootstrap: 200
cohorts:
  sim: {import: [{map: sim/mapping.yaml, folder: sim}], fs: 100, simulated: 1}
  folds: {same_as: sim, cross_validate: 2}
texts:
  hash: {hash: 16}
  lm: {builtin: e5-small, proxy: e5-small stands in}
label_lists:
  left: [[sinus_tachycardia, atrial_fibrillation], [sinus_bradycardia]]
train: {text: hash, epochs: 4, width: 8, blocks: "1,1", embed: 16, batch_size: 16, checkpoint_seconds: 0}
systems:
  bce: {loss: bce}
  pair: {loss: clip-multi, embed: [8, 16]}
  cv: {loss: bce, cohort: folds, seeds: 1}
  left-out: {loss: class-columns, text: lm, leave_out_groups: left, seeds: 1}
  columns: {loss: class-columns, text: lm, seeds: 1}
evaluations:
  val: {split: val}
  elsewhere: {split: all, home: sim}
  cv: {cohort: folds}
baseline: bce
tables:
  検証: {title: Folds, evaluation: cv, rows: [cv], metrics: [auroc_macro]}
  left: {title: Left out, evaluation: val, rows: [left-out@class], metrics: [auroc_macro, top1]}
  施設: {title: Away, evaluation: elsewhere, rows: ["pair,embed=8"], metrics: [auroc_macro]}
  all: {title: All, evaluation: val, rows: [bce, "pair,embed=8@marginal", "pair,embed=16@class"], metrics: [auroc_macro, f1_micro_tuned]}
claims:
  wins: {claim: the head wins, higher: bce, lower: "pair,embed=8", metric: auroc_macro, evaluation: val}
  drop: {claim: the head keeps more, higher: "pair,embed=8", lower: bce, metric: auroc_macro, drop: [val, elsewhere]}
  words: {claim: words help, higher: left-out@class, lower: bce, metric: auroc_macro, evaluation: val, caveat: "$caveat"}
examples: {row: "pair,embed=8", evaluation: val, each: 1}
subgroups: {row: bce, evaluation: val, metrics: [auroc_macro, f1_micro_tuned]}
supersets: {rows: [columns, bce], evaluation: val}
YAML

"$shinden" experiment "$dir/x.yaml" -o "$dir/whole" --workers 2 --results "$dir/results.md" >"$dir/out" 2>"$dir/err" || fail "$(cat "$dir/err")"
grep -qF '6 systems, 11 runs, 11 finished, 3 claims' "$dir/out" || fail "summary: $(cat "$dir/out")"
for left in report/report.html report/results.md report/results.json report/claims.csv report/tables/all.csv report/tables/all.tex report/tables/all-findings.csv report/figures/all-findings.svg report/figures/all-curves.svg \
    report/figures/all-candidates.svg report/figures/all-reliability.svg report/tables/検証.csv report/tables/施設.csv report/figures/learning.svg report/figures/by-embed-pair.svg report/cases/first-hit-1.svg cohorts/sim.h5; do
    [ -s "$dir/whole/$left" ] || fail "no $left"
done
[ "$(find "$dir/whole/runs" -name done.json | wc -l)" -eq 11 ] || fail "not eleven finished runs"
[ "$(wc -l <"$dir/whole/report/tables/all.csv")" -eq 11 ] || fail "table: $(cat "$dir/whole/report/tables/all.csv")"
[ "$(wc -l <"$dir/whole/report/claims.csv")" -eq 4 ] || fail "not three claims: $(cat "$dir/whole/report/claims.csv")"
grep -qF "$caveat; proxy only: e5-small stands in" "$dir/whole/report/claims.csv" || fail "a caveat was cut: $(cat "$dir/whole/report/claims.csv")"
grep -q 'undecided\|supported' "$dir/whole/report/claims.csv" || fail "no verdict"
cmp "$dir/results.md" "$dir/whole/report/results.md" || fail "--results is no copy"
for says in 'proxy only: e5-small stands in' 'control: label frequency' 'control: random encoder, linear probe' 'What this data cannot decide' 'Drift from sim to sim' '2 folds by patient' \
    'Cohort sim is SIMULATED' 'By age, sex and source: `bce` on `val`' 'Supersets that nobody trained on' '| sex | F |' '| columns | 1 |' '`bce` has no own text: none: the model has no text side'; do
    grep -qF "$says" "$dir/results.md" || fail "results.md does not say '$says'"
done
# ranking findings against each other means nothing where each group has a model of its own; findings left out were never trained on
grep -q '^left-out,class,1,.*,top1,,,,$' "$dir/whole/report/tables/left.csv" || fail "top1 of left-out groups: $(cat "$dir/whole/report/tables/left.csv")"
[ "$(tail -n +2 "$dir/whole/report/tables/left-findings.csv" | wc -l)" -eq 3 ] || fail "left-out findings: $(cat "$dir/whole/report/tables/left-findings.csv")"
tail -n +2 "$dir/whole/report/tables/left-findings.csv" | cut -d, -f7 | grep -vq '^0$' && fail "a finding that was left out has training positives"

# one control of each kind for each training cohort (the whole, two folds) and shape (E = 8, 16); a probe that knows all labels is none where findings were left out
[ "$(find "$dir/whole/controls" -name 'random-probe-*.safetensors' | wc -l)" -eq 4 ] || fail "controls: $(ls "$dir/whole/controls")"

# killed at several moments and resumed, with another number of workers: the same document, but for the seconds that training took
for after in 0.3 0.5 0.8; do
    "$shinden" experiment "$dir/x.yaml" -o "$dir/killed" --workers 1 >/dev/null 2>&1 &
    pid=$!
    sleep "$after"
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
done
"$shinden" experiment "$dir/x.yaml" -o "$dir/killed" --workers 1 >/dev/null 2>"$dir/err" || fail "resume: $(cat "$dir/err")"
diff -r "$dir/whole/report/figures" "$dir/killed/report/figures" || fail "the figures differ"
diff -r "$dir/whole/report/cases" "$dir/killed/report/cases" || fail "the cases differ"
diff -r "$dir/whole/report/tables" "$dir/killed/report/tables" || fail "the tables differ"
for run in whole killed; do grep -v training_seconds "$dir/$run/report/results.json" >"$dir/$run.json"; done
cmp "$dir/whole.json" "$dir/killed.json" || fail "the resumed experiment's report differs"
cmp "$dir/whole/report/report.html" "$dir/killed/report/report.html" || fail "the pages differ"

# the page for docs differs in times only: the core hours of the head, the seconds in the table of runs
for run in whole killed; do awk -F'|' -v OFS='|' '/core hours/ { sub(/[0-9.]+ core hours/, "") } /^## Runs/ { runs = 1 } runs && NF > 7 { $7 = "" } { print }' "$dir/$run/report/results.md" >"$dir/$run.md"; done
cmp "$dir/whole.md" "$dir/killed.md" || fail "the results pages differ"

# a config whose name is not UTF-8 is reported like any other
latin=$dir/$'caf\xe9.yaml'
cp "$dir/x.yaml" "$latin"
"$shinden" experiment "$latin" -o "$dir/killed" >/dev/null 2>"$dir/err" || fail "a Latin-1 name: $(cat "$dir/err")"
grep -q '"config": "caf\(\\ufffd\|�\).yaml"' "$dir/killed/report/results.json" || fail "its name: $(grep '"config"' "$dir/killed/report/results.json")"

# a changed setting makes new runs, an unchanged system keeps its own
sed -i 's/bce: {loss: bce}/bce: {loss: bce, wd: 0.02}/' "$dir/x.yaml"
"$shinden" experiment "$dir/x.yaml" -o "$dir/whole" --plan --json >"$dir/out" 2>"$dir/err"
grep -q '"n_finished": 9' "$dir/out" || fail "a changed system was taken as finished: $(cat "$dir/out")"

# so does another engine, also one that may take over a checkpoint
sed 's/bce: {loss: bce, wd: 0.02}/bce: {loss: bce, wd: 0.02, engine: cuda}/; s/pair: {loss: clip-multi,/pair: {loss: clip-multi, engine: cuda,/' "$dir/x.yaml" >"$dir/other.yaml"
"$shinden" experiment "$dir/other.yaml" -o "$dir/whole" --plan --json >"$dir/out" 2>"$dir/err"
grep -q '"n_finished": 5' "$dir/out" || fail "runs on the CPU were taken for the GPU's: $(cat "$dir/out")"

# two systems that would train in one folder
code=0
sed 's/  bce: {loss: bce, wd: 0.02}/&\n  a b: {loss: bce}\n  a?b: {loss: bce}/' "$dir/x.yaml" >"$dir/other.yaml"
"$shinden" experiment "$dir/other.yaml" -o "$dir/whole" --plan >/dev/null 2>"$dir/err" || code=$?
[ "$code" -eq 1 ] && grep -qF "systems 'a b' and 'a?b'" "$dir/err" || fail "two systems in one folder: $(cat "$dir/err")"

# a changed import does not go on with the old cohort
code=0
sed 's/fs: 100, simulated/fs: 50, simulated/' "$dir/x.yaml" >"$dir/other.yaml"
"$shinden" experiment "$dir/other.yaml" -o "$dir/whole" --plan >/dev/null 2>"$dir/err" || code=$?
[ "$code" -eq 1 ] && grep -qF 'imported with other settings' "$dir/err" || fail "a cohort of another import was used: $(cat "$dir/err")"

# nor does a changed mapping, whose path is the same
cp "$dir/sim/mapping.yaml" "$dir/mapping.kept"
echo '# another mapping' >>"$dir/sim/mapping.yaml"
code=0
"$shinden" experiment "$dir/x.yaml" -o "$dir/whole" --plan >/dev/null 2>"$dir/err" || code=$?
[ "$code" -eq 1 ] && grep -qF 'another mapping' "$dir/err" || fail "a cohort of another mapping was used: $(cat "$dir/err")"
cp "$dir/mapping.kept" "$dir/sim/mapping.yaml"
"$shinden" experiment "$dir/x.yaml" -o "$dir/whole" --plan >/dev/null 2>"$dir/err" || fail "the mapping put back: $(cat "$dir/err")"

code=0
sed 's/val: {split: val/val: {splits: val/' "$dir/x.yaml" >"$dir/bad.yaml"
"$shinden" experiment "$dir/bad.yaml" -o "$dir/bad" >/dev/null 2>"$dir/err" || code=$?
[ "$code" -eq 1 ] || fail "a bad config ended with $code"
grep -qF "bad.yaml: line 21" "$dir/err" || fail "no place in: $(cat "$dir/err")"
[ ! -e "$dir/bad" ] || fail "a bad config left a folder"
code=0
"$shinden" experiment "$dir/x.yaml" -o "$dir/whole" --plan --results "$dir/none.md" >/dev/null 2>"$dir/err" || code=$?
[ "$code" -eq 2 ] && grep -qF 'no --results' "$dir/err" || fail "--plan with --results ended with $code: $(cat "$dir/err")"
code=0
"$shinden" experiment >/dev/null 2>&1 || code=$?
[ "$code" -eq 2 ] || fail "bad usage ended with $code"
