#!/usr/bin/env bash
# The control that must find nothing: labels shuffled between patients, in training and in validation, 5 shuffles. Mean validation macro
# AUROC should be chance, 0.45 to 0.55; exits 1 when it is not. With the training labels alone shuffled (set TRAIN_ONLY=1) it is not
# chance by construction but a little below it: where there is nothing to learn the logits of all findings fall together with the
# size of the ECG's embedding, unusual ECGs have large ones, and in the true validation labels they have more findings.
# usage: bench/permuted.sh COHORT.h5 [LOSS] [SHUFFLES]      needs jq
set -euo pipefail
cd "$(dirname "$0")/.."
cohort=$1
loss=${2:-bce}
shuffles=${3:-5}
shinden=build/release/shinden
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for shuffle in $(seq "$shuffles"); do
  $shinden train "$cohort" --loss "$loss" --seed "$shuffle" --permute-labels "$shuffle" -o "$out/$shuffle" >&2
  permute=(--permute-labels "$shuffle")
  [ -z "${TRAIN_ONLY:-}" ] || permute=()
  $shinden eval "$out/$shuffle/model.safetensors" "$cohort" --split val "${permute[@]}" --no-controls --bootstrap 0 --json | jq .metrics.auroc_macro.value
done | tee /dev/stderr | awk '{ n++; s += $1 } END { m = s / n; printf "mean of %d shuffles, %s: %.3f\n", n, "'"$loss"'", m; exit !(n > 0 && m >= 0.45 && m <= 0.55) }'
