#!/usr/bin/env bash
# All seven losses on the PTB-XL records (100 Hz), trained on train and scored on val with every read-out that applies, several
# seeds each. Prints the Markdown table that stands in docs/results.md. Finished runs are kept and not repeated.
# usage: bench/results_ptbxl.sh [-s "1 2 3"] [-t e5-small|hash|VECTORS] [-o FOLDER] [DATA_FOLDER]      needs jq; some 20 minutes on two cores
set -euo pipefail
cd "$(dirname "$0")/.."
seeds="1 2 3"
out=build/results_ptbxl
text=e5-small
while getopts s:t:o: option; do
  case $option in
    s) seeds=$OPTARG ;;
    t) text=$OPTARG ;;
    o) out=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
data=${1:-${SHINDEN_DATA:-../shared/data}/ptbxl}
shinden=build/release/shinden
losses="bce class-columns clip clip-multi siglip siglip-jaccard jaccard-softmax"
mkdir -p "$out"
[ -f "$out/cohort.h5" ] || $shinden import --preset ptbxl "$data" -o "$out/cohort.h5" >&2

readouts_of() { case $1 in bce) echo logit ;; class-columns) echo "class" ;; *) echo "class class-prior marginal" ;; esac; }

for loss in $losses; do
  for seed in $seeds; do
    run=$out/$loss-$seed
    [ -f "$run/done" ] || { $shinden train "$out/cohort.h5" --loss "$loss" --seed "$seed" $([ "$loss" = bce ] || echo --text "$text") -o "$run" >&2 && touch "$run/done"; }
    for readout in $(readouts_of "$loss"); do
      json=$run/eval-$readout.json
      [ -s "$json" ] || { $shinden eval "$run/model.safetensors" "$out/cohort.h5" --split val --readout "$readout" --json > "$json.part" && mv "$json.part" "$json"; }
    done
  done
done

metrics="auroc_macro_10 auroc_macro auprc_macro f1_micro_tuned f1_micro_05 jaccard_sample top1 top1_specific top5_specific ece"
cpu=$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)
printf 'Machine: %s, %s threads. %s. Text vectors %s. Seeds %s. Each cell: mean over seeds (sd over seeds) and [mean of the lower, of the upper ends] of the\n' \
  "$cpu" "$(nproc)" "$($shinden --version)" "$text" "$seeds"
printf '95 %% bootstrap intervals by patient. Read-out, thresholds and calibration are cross-fitted on the same records (5 folds by patient).\n\n'
printf '| loss | read-out |'; for m in $metrics; do printf ' %s |' "$m"; done; printf '\n| --- | --- |'; for m in $metrics; do printf ' --- |'; done; echo
for loss in $losses; do
  for readout in $(readouts_of "$loss"); do
    printf '| %s | %s |' "$loss" "$readout"
    for m in $metrics; do
      for seed in $seeds; do
        jq -r --arg m "$m" '.metrics[$m] | [.value, .low, .high] | map(. // "nan") | @tsv' "$out/$loss-$seed/eval-$readout.json"
      done | awk '{ n++; s += $1; q += $1 * $1; l += $2; h += $3 }
                  END { v = q / n - (s / n) ^ 2; if (v < 0) v = 0
                        printf " %.3f (%.3f) [%.3f, %.3f] |", s / n, (n > 1 ? sqrt(v * n / (n - 1)) : 0), l / n, h / n }'
    done
    echo
  done
done
printf '\nControls on the same records:\n\n| control | auroc_macro_10 | auprc_macro | f1_micro_tuned | jaccard_sample | top1 |\n| --- | --- | --- | --- | --- | --- |\n'
first=$out/bce-${seeds%% *}/eval-logit.json
jq -r '.controls | to_entries[] | [.key, (.value | .auroc_macro_10, .auprc_macro, .f1_micro_tuned, .jaccard_sample, .top1
        | if type == "object" then .value else . end | if . == null then "-" else (. * 1000 | round / 1000 | tostring) end)] | "| " + join(" | ") + " |"' "$first"
