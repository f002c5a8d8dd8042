#!/usr/bin/env bash
# A run of an experiment leaves the model that `shinden train` leaves with the run's own settings: trained, fitted on val and calibrated in one arithmetic,
# also where it is not the default one.
set -euo pipefail
shinden=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
echo 'leak:libfontconfig' >"$dir/suppressions"     # fontconfig keeps its tables to the end
export LSAN_OPTIONS=suppressions=$dir/suppressions:print_suppressions=0
fail() { echo "experiment_fit: $*"; exit 1; }

"$shinden" simulate -n 60 --seed 5 -o "$dir/sim" >/dev/null
cat >"$dir/x.yaml" <<YAML
version: 1
title: Fit
seeds: [1]
bootstrap: 100
cohorts:
  sim: {import: [{map: sim/mapping.yaml, folder: sim}], fs: 100, simulated: 1}
train: {epochs: 1, width: 8, blocks: "1,1", embed: 16, batch_size: 16}
systems:
  default: {loss: bce}
  direct: {loss: bce, winograd: 0}
  reference: {loss: bce, engine: ref}
evaluations:
  val: {split: val}
baseline: default
tables:
  all: {title: All, evaluation: val, rows: [default, direct, reference], metrics: [auroc_macro]}
YAML
"$shinden" experiment "$dir/x.yaml" -o "$dir/x" --workers 1 >"$dir/out" 2>"$dir/err" || fail "$(cat "$dir/err")"
n=0
for run in "$dir"/x/runs/*; do
  "$shinden" train "$dir/x/cohorts/sim.h5" --config "$run/config.yaml" --n-threads 1 -o "$dir/again$n" >"$dir/out" 2>"$dir/err" || fail "$(cat "$dir/err")"
  cmp "$run/model.safetensors" "$dir/again$n/model.safetensors" || fail "train leaves another model than the experiment's $(basename "$run")"
  n=$((n + 1))
done
[ "$n" -eq 3 ] || fail "$n runs"
! cmp -s "$dir/again0/model.safetensors" "$dir/again1/model.safetensors" || fail "the systems do not differ"
echo "experiment_fit: the same models as train's"
