#!/usr/bin/env bash
# What reports are worth: PTB-XL, cross-validated in train + val by PTB-XL's own patient-wise folds (two of the eight at a time: four parts).
#   never coded   ten findings left out of training five at a time, found by the sentences of reports; beside it the supervised model's score of the
#                 finding whose name is nearest
#   few codes     200 records keep their labels, all keep their reports; beside it the supervised model on those 200
#   pre-training  the supervised model from an encoder trained without labels on the training records of all sources
# Prints the tables that docs/checks.md is written from. Finished runs are kept and not repeated, so a stopped script goes on.
# usage: bench/reports.sh [-f "0 1 2 3"] [-s "1 2 3"] [-p "left few pre"] [-m E5_FOLDER] [-v VECTORS] [-j JOBS] [-o FOLDER] [DATA_FOLDER]
# needs jq, and the sentences' vectors (-v) or the folder of multilingual-e5-small (-m, tests/oracle/e5_to_safetensors.py makes it)
set -euo pipefail
cd "$(dirname "$0")/.."
parts="0 1 2 3"
seeds="1 2 3"
protocols="left few pre"
e5=multilingual-e5-small
vectors=
jobs=$(nproc)
out=build/reports
while getopts f:s:p:m:v:j:o: option; do
  case $option in
    f) parts=$OPTARG ;;
    s) seeds=$OPTARG ;;
    p) protocols=$OPTARG ;;
    m) e5=$OPTARG ;;
    v) vectors=$OPTARG ;;
    j) jobs=$OPTARG ;;
    o) out=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
data=${1:-${SHINDEN_DATA:-../shared/data}}
export shinden=${SHINDEN:-build/release/shinden} out
groups=(
  left_anterior_fascicular_block,st_depression,inferior_infarction,incomplete_right_bundle_branch_block,atrial_fibrillation
  nondiagnostic_t_abnormality,anteroseptal_infarction,prolonged_pr_interval,sinus_tachycardia,complete_right_bundle_branch_block
)
mkdir -p "$out"

# cohorts: one per part (its records are "val"), one of each other source for pre-training
for p in $parts; do
  [ -f "$out/part$p.h5" ] && continue
  { sed '/^split: split/d' src/data/presets/ptbxl.yaml
    echo "fold: strat_fold"
    printf 'folds: {'
    for k in 1 2 3 4 5 6 7 8; do [ $(((k - 1) / 2)) -eq "$p" ] && s=val || s=train; printf '%s%s: %s' "$([ $k = 1 ] || echo ', ')" $k $s; done
    echo '}'; } > "$out/part$p.yaml"
  $shinden import --map "$out/part$p.yaml" "$data/ptbxl" -o "$out/part$p.h5" >&2
done
if [ -z "$vectors" ]; then
  vectors=$out/sentences.safetensors
  first=${parts%% *}
  [ -f "$vectors" ] || $shinden text encode --model "$e5" --cohort "$out/part$first.h5" --sentences -o "$vectors" >&2
fi

# a job is "NAME|PART|ARGUMENTS OF TRAIN|EVALUATIONS"; an evaluation is a read-out, or PHRASE=ID for eval --text by the nearest finding
train_and_eval() {
  local name part args evals run cohort one json
  IFS='|' read -r name part args evals <<< "$1"
  run=$out/$name cohort=$out/part$part.h5
  [ -f "$run/done" ] || { rm -rf "$run"; $shinden train "$cohort" $args --n-threads 1 -o "$run" > "$run.log" 2>&1 && touch "$run/done"; } || { tail -1 "$run.log" >&2; return 1; }
  while IFS= read -r -d ';' one; do
    json="$run/eval-${one##*=}.json"
    [ -s "$json" ] && continue
    if [ "$one" = "${one#*=}" ]; then
      $shinden eval "$run/model.safetensors" "$cohort" --split val --readout "$one" --bootstrap 0 --no-controls --threads 1 --json > "$json.part"
    else
      $shinden eval "$run/model.safetensors" "$cohort" --split val --text "${one%=*}" --truth "${one##*=}" --vectors e5-small --bootstrap 0 --threads 1 --json > "$json.part"
    fi
    mv "$json.part" "$json"
  done <<< "$evals;"
}
export -f train_and_eval
name_of() { $shinden labels list --json | jq -r --arg id "$1" '.findings[] | select(.id == $id).name_en'; }
texts="--text e5-small --text-form name+criterion"
sentences="--sentences 1 --sentence-text $vectors"
{
  for p in $parts; do
    for seed in $seeds; do
      case " $protocols " in *" left "*)
        for g in 0 1; do
          phrases=
          for id in ${groups[g]//,/ }; do phrases+="${phrases:+;}$(name_of "$id")=$id"; done
          echo "left-sentences-$p-$g-$seed|$p|--loss class-columns $texts $sentences --leave-out ${groups[g]} --seed $seed|sentences;class"
          echo "left-bce-$p-$g-$seed|$p|--loss bce --leave-out ${groups[g]} --seed $seed|$phrases"
        done ;;
      esac
      case " $protocols " in *" few "*)
        echo "few-bce-$p-$seed|$p|--loss bce --coded 200 --seed $seed|logit"
        echo "few-bce-long-$p-$seed|$p|--loss bce --coded 200 --epochs 150 --seed $seed|logit"
        echo "few-bce-sentences-$p-$seed|$p|--loss bce $texts $sentences --coded 200 --seed $seed|logit;joint"
        echo "few-columns-sentences-$p-$seed|$p|--loss class-columns $texts $sentences --coded 200 --seed $seed|class;joint" ;;
      esac
    done
  done
} > "$out/jobs"
if [[ " $protocols " == *" pre "* ]]; then
  for set in cinc2021 ludb brugada code15; do
    folder=$data/$([ $set = brugada ] && echo brugada_huca || echo $set)
    [ -f "$out/$set.h5" ] || [ ! -d "$folder" ] || $shinden import --preset $set "$folder" --fs 100 --allow-missing-leads -o "$out/$set.h5" >&2 || true
  done
  for p in $parts; do
    others=()
    for set in cinc2021 ludb brugada code15; do [ -f "$out/$set.h5" ] && others+=("$out/$set.h5"); done
    $shinden pretrain "$out/part$p.h5" "${others[@]}" $([ -f "$out/pre$p/config.yaml" ] && echo --resume) -o "$out/pre$p" >&2
    for seed in $seeds; do
      echo "pre-bce-$p-$seed|$p|--loss bce --seed $seed|logit"
      echo "pre-bce-init-$p-$seed|$p|--loss bce --init $out/pre$p --seed $seed|logit"
    done
  done >> "$out/jobs"
fi
xargs -d '\n' -P "$jobs" -I{} bash -euo pipefail -c 'train_and_eval "$1"' _ {} < "$out/jobs"

# one line per run, read-out and finding: protocol row part seed finding positives AUROC
for p in $parts; do
  for seed in $seeds; do
    case " $protocols " in *" left "*)
      for g in 0 1; do
        for readout in sentences class; do
          jq -r --arg ids "${groups[g]}" --arg row "left $readout" --arg at "$p $seed" '($ids | split(",")) as $left | .per_label[]
            | select(.id as $i | $left | index($i)) | if .n_pos_train != 0 then error("trained on " + .id) else . end
            | "\($row) \($at) \(.id) \(.n_pos) \(.auroc)"' "$out/left-sentences-$p-$g-$seed/eval-$readout.json"
        done
        for id in ${groups[g]//,/ }; do
          jq -r --arg at "$p $seed" '"left nearest \($at) \(.truth.id) \(.truth.n_pos) \(.readouts[] | select(.readout == "nearest").auroc.value)"' \
            "$out/left-bce-$p-$g-$seed/eval-$id.json"
        done
      done ;;
    esac
    for row in few-bce:logit few-bce-long:logit few-bce-sentences:logit few-bce-sentences:joint few-columns-sentences:class few-columns-sentences:joint pre-bce:logit pre-bce-init:logit; do
      json=$out/${row%:*}-$p-$seed/eval-${row#*:}.json
      [[ " $protocols " == *" ${row%%-*} "* ]] || continue
      jq -r --arg row "${row%%-*} ${row#*-}" --arg at "$p $seed" '.per_label[] | select(.n_pos >= 5 and .auroc != null) | "\($row) \($at) \(.id) \(.n_pos) \(.auroc)"' "$json"
    done
  done
done > "$out/scores"

cpu=$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)
printf 'Machine: %s, %s threads. %s. Parts %s, seeds %s.\n' "$cpu" "$(nproc)" "$($shinden --version)" "$parts" "$seeds"
# difference to the protocol's first row: mean over seeds of each (part, finding), interval by Student over findings (means of the parts)
awk '
  { row = $2; if (!(($1, row) in seen)) { seen[$1, row] = 1; rows[$1, ++n_rows[$1]] = row } sum[$1, row, $5] += $7; n[$1, row, $5]++; ids[$1, $5] = 1 }
  function mean(p, r, i) { return sum[p, r, i] / n[p, r, i] }
  function table(p, title, base,    i, j, k, key, m, d, dd, s, t, e) {
    if (!n_rows[p]) return
    printf "\n%s\n\n| row | mean AUROC | over %s [95 %% interval over findings] | findings |\n| --- | --- | --- | --- |\n", title, base
    for (j = 1; j <= n_rows[p]; j++) {
      m = d = dd = k = 0
      for (key in ids) {
        split(key, part, SUBSEP)
        if (part[1] != p || !((p, rows[p, j], part[2]) in n) || !((p, base, part[2]) in n)) continue
        k++; m += mean(p, rows[p, j], part[2]); e = mean(p, rows[p, j], part[2]) - mean(p, base, part[2]); d += e; dd += e * e
      }
      if (!k) continue
      s = k > 1 ? sqrt((dd - d * d / k) / (k - 1) / k) : 0
      t = k > 2 ? 1.96 + 2.4 / (k - 1) + 3.2 / (k - 1) ^ 2 : 12.7           # Student, 97.5 %
      printf "| %s | %.3f | %s | %d |\n", rows[p, j], m / k, rows[p, j] == base ? "" : sprintf("%+.3f [%+.3f, %+.3f]", d / k, d / k - t * s, d / k + t * s), k
    }
  }
  END {
    table("left", "Findings never coded, left out five at a time", "nearest")
    table("few", "200 coded records; findings with five positives in a part or more", "bce:logit")
    table("pre", "Pre-training without labels; findings with five positives in a part or more", "bce:logit")
  }' "$out/scores"
