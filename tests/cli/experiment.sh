#!/usr/bin/env bash
# The verb experiment: a whole small one on simulated records, killed and resumed to the same report, and what it says about bad input.
set -euo pipefail
shinden=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "experiment: $*"; exit 1; }

"$shinden" simulate -n 150 --seed 5 -o "$dir/sim" >/dev/null
cat >"$dir/x.yaml" <<YAML
version: 1
title: Small
seeds: [1, 2]
bootstrap: 200
cohorts:
  sim: {import: [{map: sim/mapping.yaml, folder: sim}], fs: 100}
texts:
  hash: {hash: 16}
train: {text: hash, epochs: 4, width: 8, blocks: "1,1", embed: 16, batch_size: 16, checkpoint_seconds: 0}
systems:
  bce: {loss: bce}
  pair: {loss: clip-multi, embed: [8, 16]}
evaluations:
  val: {split: val}
tables:
  all: {title: All, evaluation: val, rows: [bce, "pair,embed=8@marginal", "pair,embed=16@class"], metrics: [auroc_macro, f1_micro_tuned]}
claims:
  wins: {claim: the head wins, higher: bce, lower: "pair,embed=8", metric: auroc_macro, evaluation: val}
YAML

"$shinden" experiment "$dir/x.yaml" -o "$dir/whole" --workers 2 >"$dir/out" 2>"$dir/err" || fail "$(cat "$dir/err")"
grep -qF '3 systems, 6 runs, 6 finished, 1 claims' "$dir/out" || fail "summary: $(cat "$dir/out")"
for left in report/report.html report/results.md report/results.json report/claims.csv report/tables/all.csv report/tables/all.tex cohorts/sim.h5; do
    [ -s "$dir/whole/$left" ] || fail "no $left"
done
[ "$(find "$dir/whole/runs" -name done.json | wc -l)" -eq 6 ] || fail "not six finished runs"
[ "$(wc -l <"$dir/whole/report/tables/all.csv")" -eq 7 ] || fail "table: $(cat "$dir/whole/report/tables/all.csv")"
grep -q 'undecided\|supported' "$dir/whole/report/claims.csv" || fail "no verdict"

# killed at several moments and resumed, with another number of workers: the same document, but for the seconds that training took
for after in 0.3 0.5 0.8; do
    "$shinden" experiment "$dir/x.yaml" -o "$dir/killed" --workers 1 >/dev/null 2>&1 &
    pid=$!
    sleep "$after"
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
done
"$shinden" experiment "$dir/x.yaml" -o "$dir/killed" --workers 1 >/dev/null 2>"$dir/err" || fail "resume: $(cat "$dir/err")"
for run in whole killed; do grep -v training_seconds "$dir/$run/report/results.json" >"$dir/$run.json"; done
cmp "$dir/whole.json" "$dir/killed.json" || fail "the resumed experiment's report differs"
cmp "$dir/whole/report/report.html" "$dir/killed/report/report.html" || fail "the pages differ"

# a changed setting makes new runs, an unchanged system keeps its own
sed -i 's/bce: {loss: bce}/bce: {loss: bce, wd: 0.02}/' "$dir/x.yaml"
"$shinden" experiment "$dir/x.yaml" -o "$dir/whole" --plan --json >"$dir/out" 2>"$dir/err"
grep -q '"n_finished": 4' "$dir/out" || fail "a changed system was taken as finished: $(cat "$dir/out")"

code=0
sed 's/split: val/splits: val/' "$dir/x.yaml" >"$dir/bad.yaml"
"$shinden" experiment "$dir/bad.yaml" -o "$dir/bad" >/dev/null 2>"$dir/err" || code=$?
[ "$code" -eq 1 ] || fail "a bad config ended with $code"
grep -qF "bad.yaml: line 14" "$dir/err" || fail "no place in: $(cat "$dir/err")"
[ ! -e "$dir/bad" ] || fail "a bad config left a folder"
code=0
"$shinden" experiment >/dev/null 2>&1 || code=$?
[ "$code" -eq 2 ] || fail "bad usage ended with $code"
