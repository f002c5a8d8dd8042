#!/usr/bin/env bash
# Is the text used? Findings are left out of training (labels unknown, texts out of the centring) and scored on val by their text alone (read-out
# class); beside it the same with the text vectors handed round between the findings, which must fall to chance. The twenty PTB-XL findings with
# five positives in val or more (normal ECG and sinus rhythm aside) are left out five at a time. Prints the tables of docs/results.md.
# usage: bench/zero_shot.sh [-s "1 2 3"] [-f name+criterion] [-l class-columns] [-t e5-small|VECTORS] [-o FOLDER] [DATA_FOLDER]
# needs jq; a run takes about a minute on two cores, there are 8 for each seed. Finished runs are kept and not repeated.
set -euo pipefail
cd "$(dirname "$0")/.."
seeds="1 2 3"
form=name+criterion
loss=class-columns
text=e5-small
out=build/zero_shot
while getopts s:f:l:t:o: option; do
  case $option in
    s) seeds=$OPTARG ;;
    f) form=$OPTARG ;;
    l) loss=$OPTARG ;;
    t) text=$OPTARG ;;
    o) out=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
data=${1:-${SHINDEN_DATA:-../shared/data}/ptbxl}
shinden=${SHINDEN:-build/release/shinden}
groups=(
  left_anterior_fascicular_block,st_depression,inferior_infarction,incomplete_right_bundle_branch_block,atrial_fibrillation
  nondiagnostic_t_abnormality,anteroseptal_infarction,prolonged_pr_interval,sinus_tachycardia,complete_right_bundle_branch_block
  left_ventricular_hypertrophy,nonspecific_ischemia,sinus_arrhythmia,nonspecific_t_change,atrial_premature_complex
  nonspecific_st_change,first_degree_av_block,ventricular_premature_complex,low_t_wave,ischemia_anterolateral
)
mkdir -p "$out"
[ -f "$out/cohort.h5" ] || $shinden import --preset ptbxl "$data" -o "$out/cohort.h5" >&2

for seed in $seeds; do
  for g in "${!groups[@]}"; do
    for kind in text permuted; do
      run=$out/$loss-$form-$kind-$g-$seed
      permute=0
      [ $kind = text ] || permute=$seed
      [ -f "$run/done" ] || { rm -rf "$run"; $shinden train "$out/cohort.h5" --loss "$loss" --text "$text" --text-form "$form" --leave-out "${groups[g]}" \
        --permute-texts "$permute" --seed "$seed" -o "$run" >&2 && touch "$run/done"; }
      [ -s "$run/eval.json" ] || { $shinden eval "$run/model.safetensors" "$out/cohort.h5" --split val --readout class --no-controls --json \
        > "$run/eval.part" && mv "$run/eval.part" "$run/eval.json"; }
      jq -r --arg ids "${groups[g]}" --arg kind $kind --arg seed "$seed" '($ids | split(",")) as $left | .per_label[] | select(.id as $i | $left | index($i))
        | [$kind, $seed, .id, .n_pos, .n_pos_train, .auroc, .auroc_low, .auroc_high] | map(tostring) | join("\t")' "$run/eval.json"
    done
  done
done > "$out/scores.tsv"
awk -F '\t' '$5 != 0 { print "trained on a finding that was left out: " $3 > "/dev/stderr"; exit 1 }' "$out/scores.tsv"

cpu=$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)
printf 'Machine: %s, %s threads. %s. Loss %s, vectors %s, form %s, seeds %s.\n\n' "$cpu" "$(nproc)" "$($shinden --version)" "$loss" "$text" "$form" "$seeds"
awk -F '\t' '
  { n[$3] = $4; sum[$1, $3] += $6; lo[$1, $3] += $7; hi[$1, $3] += $8; by[$1, $2] += $6; ids[$3] = 1; seeds[$2] = 1 }
  END {
    for (s in seeds) ns++
    for (i in ids) ni++
    print "| left-out findings | macro AUROC by text | vectors permuted | difference |\n| --- | --- | --- | --- |"
    for (s in seeds) { a = by["text", s] / ni; b = by["permuted", s] / ni; ma += a; qa += a * a; mb += b; qb += b * b }
    ma /= ns; mb /= ns
    va = qa / ns - ma * ma; vb = qb / ns - mb * mb
    for (i in ids) { a = sum["text", i] / ns; b = sum["permuted", i] / ns; fa += (a - ma) ^ 2; fb += (b - mb) ^ 2; d = a - b - (ma - mb); fd += d * d }
    t = 2.093                                       # Student, 19 degrees of freedom: the twenty findings
    e = t / sqrt(ni * (ni - 1))
    f = ns > 1 ? ns / (ns - 1) : 0
    printf "| %d, mean over seeds (sd over seeds) [95 %% interval over findings] | %.3f (%.3f) [%.3f, %.3f] | %.3f (%.3f) [%.3f, %.3f] | %.3f [%.3f, %.3f] |\n\n", ni,
      ma, sqrt((va > 0 ? va : 0) * f), ma - e * sqrt(fa), ma + e * sqrt(fa), mb, sqrt((vb > 0 ? vb : 0) * f), mb - e * sqrt(fb), mb + e * sqrt(fb),
      ma - mb, ma - mb - e * sqrt(fd), ma - mb + e * sqrt(fd)
    print "| finding | positives in val | by text [interval by patients, mean of the ends] | permuted |\n| --- | --- | --- | --- |"
    for (i in ids)
      printf "| %s | %d | %.3f [%.3f, %.3f] | %.3f [%.3f, %.3f] |\n", i, n[i], sum["text", i] / ns, lo["text", i] / ns, hi["text", i] / ns,
        sum["permuted", i] / ns, lo["permuted", i] / ns, hi["permuted", i] / ns | "sort -t\"|\" -k4,4gr"
  }' "$out/scores.tsv"
