#!/usr/bin/env bash
# From nothing to a trained, evaluated, predicting model: installs what is missing, builds, then runs the main job on real
# records and leaves its results in demo/. Safe to run again.
# Data: $SHINDEN_DATA, else ../shared/data, else a slice of PTB-XL that `shinden fetch` downloads, else (no network) simulated records.
set -euo pipefail
cd "$(dirname "$0")"
say() { printf '\n== %s\n' "$*"; }
started=$SECONDS

say "install what is missing"
./setup.sh
say "build (preset release)"
cmake --preset release >/dev/null
cmake --build --preset release
shinden=build/release/shinden
out=demo
rm -rf "$out"
mkdir -p "$out"
job=$SECONDS

data=${SHINDEN_DATA:-../shared/data}
simulated=()
if [ -f "$data/ptbxl/labels.csv" ]; then
  say "data: PTB-XL records in $data/ptbxl (CC BY 4.0)"
  root=$data/ptbxl
  import=(--preset ptbxl "$root")
  describe="PTB-XL (Wagner et al., CC BY 4.0), the records in $data/ptbxl at 100 Hz"
elif $shinden fetch -o "$out/ptb-xl"; then
  say "data: a slice of PTB-XL, downloaded to $out/ptb-xl (CC BY 4.0)"
  root=$out/ptb-xl
  import=(--preset ptbxl-original "$root")
  describe="PTB-XL 1.0.3 (Wagner et al., CC BY 4.0), a slice downloaded from PhysioNet, 100 Hz"
else
  say "data: NO RECORDINGS AND NO NETWORK. What follows is SIMULATED: it shows that the program works, not how well it reads ECGs"
  $shinden simulate -n 1500 --seed 1 --fs 100 -o "$out/simulated"
  root=$out/simulated
  import=(--map "$root/mapping.yaml" "$root" --simulated)
  describe="SIMULATED records of a dipole model; not recordings"
  simulated=(--simulated)
fi

say "import"
$shinden import "${import[@]}" -o "$out/cohort.h5"

for loss in siglip-jaccard bce; do
  say "train: $loss"
  $shinden train "$out/cohort.h5" --loss "$loss" --seed 1 -o "$out/$loss"
  say "evaluate: $loss, validation records"
  $shinden eval "$out/$loss/model.safetensors" "$out/cohort.h5" --split val --json > "$out/$loss/eval.json"
done

say "predict one record"
record=$($shinden report --example-record "$out/cohort.h5" --split val --root "$root")
$shinden predict "$out/siglip-jaccard/model.safetensors" "$record" --plot "$out/ecg.png" "${simulated[@]}" | tee "$out/prediction.txt"

say "report"
$shinden report --eval "SigLIP-Jaccard=$out/siglip-jaccard/eval.json" --eval "supervised BCE=$out/bce/eval.json" \
  --model "$out/siglip-jaccard/model.safetensors" --cohort "$out/cohort.h5" --example "$record" --data "$describe" \
  "${simulated[@]}" -o "$out/report.html"
[ ${#simulated[@]} -eq 0 ] || say "REMEMBER: the records are SIMULATED"
printf '\nmain job %d s, with installing and building %d s. Look at %s/report.html and %s/ecg.png\n' \
  $((SECONDS - job)) $((SECONDS - started)) "$out" "$out"
