#!/bin/bash
# Import killed with -9 at random moments and started again ends with the same bytes. SHINDEN_KILLS (3) runs.
set -eu
program=$1
. tests/cli/import_records.inc
kills=${SHINDEN_KILLS:-3}
work=$(mktemp -d "${TMPDIR:-/tmp}/shinden-kill-XXXXXX")
trap 'rm -rf "$work"' EXIT

n=3000
mkdir "$work/set"
make_signal "$work/set/signal.dat" 500 10 > "$work/sums"
{
    echo "rec,patient,split,codes"
    for ((i = 0; i < n; i++)); do
        echo "r$i,p$((i / 2)),$((i % 10 < 8 ? 1 : 0)),$([ $((i % 3)) = 0 ] && echo "AFIB;PVC" || echo SR)"
    done | awk -F, '{ split_of = int(substr($2, 2)) % 5 ? "train" : "val"; print $1 "," $2 "," split_of "," $4 }'
} > "$work/set/labels.csv"
cat > "$work/set/map.yaml" <<'YAML'
source: made
table: labels.csv
path: rec
id: rec
patient: patient
split: split
labels: [{column: codes, list: ";", coding: scp}]
YAML
for ((i = 0; i < n; i++)); do make_record "$work/set" "r$i" 500 10 "$work/sums" $((1000 + i)); done
rm "$work/set/r7.hea"                           # a refused row must come back the same, too

run() { (cd "$1" && exec "$program" import --map "$work/set/map.yaml" -o c.h5 --fs 100 --threads 2 --json > out.json 2> err.txt); }

mkdir "$work/whole"
run "$work/whole"                               # also warms the files up
rm "$work"/whole/c.h5*
begin=$(date +%s%N)
run "$work/whole"
whole=$((($(date +%s%N) - begin) / 1000000))
echo "uninterrupted: ${whole} ms"

resumed=0 shift=100
for ((k = 1; k <= kills; k++)); do
    mkdir "$work/k$k"
    hits=0 attempt=0
    while [ "$hits" -lt 2 ] && [ "$attempt" -lt 12 ]; do        # two kills on one import, each at a moment of its own
        attempt=$((attempt + 1))
        (cd "$work/k$k" && exec "$program" import --map "$work/set/map.yaml" -o c.h5 --fs 100 --threads 2 --json > out.json 2> err.txt) &
        pid=$!
        sleep "$(awk -v ms="$whole" -v r="$RANDOM" -v s="$shift" 'BEGIN { printf "%.3f", ms / 1000 * s / 100 * (0.02 + 0.93 * r / 32768) }')"
        if kill -9 $pid 2> /dev/null; then hits=$((hits + 1)); fi
        wait $pid 2> /dev/null || true
        if [ -e "$work/k$k/c.h5" ]; then        # it was faster than the kill: begin this import again, kill sooner
            rm "$work/k$k"/c.h5*
            hits=0
            shift=$((shift * 9 / 10))
        fi
    done
    run "$work/k$k"
    done_before=$(sed -n 's/.*"n_resumed": \([0-9]*\).*/\1/p' "$work/k$k/out.json")
    [ "$done_before" = 0 ] || resumed=$((resumed + 1))
    cmp "$work/whole/c.h5" "$work/k$k/c.h5" || { echo "run $k: another cohort after $hits kills"; exit 1; }
    cmp "$work/whole/c.h5.manifest.csv" "$work/k$k/c.h5.manifest.csv" || { echo "run $k: another manifest"; exit 1; }
    left=$(cd "$work/k$k" && ls)
    [ "$left" = "$(printf 'c.h5\nc.h5.manifest.csv\nerr.txt\nout.json')" ] || { echo "run $k leaves: $left"; exit 1; }
    echo "run $k: $hits kills, $done_before of $n rows were there, the same bytes"
    rm -rf "$work/k$k"
done
[ "$resumed" -gt 0 ] || { echo "no run found rows of a killed one: the journal was never used"; exit 1; }
echo "$kills runs, $resumed of them resumed"
