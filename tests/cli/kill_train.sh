#!/usr/bin/env bash
# Training killed with SIGKILL at random times and resumed ends with the bits of an uninterrupted run.
# KILLS (3; the issue's table wants 20) and SEED can be set from outside.
set -euo pipefail
shinden=$1
kills=${KILLS:-3}
RANDOM=${SEED:-$$}
echo "kills $kills, seed ${SEED:-$$}"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

"$shinden" simulate -n 160 --seed 5 -o "$dir/sim" > /dev/null
"$shinden" import --map "$dir/sim/mapping.yaml" -o "$dir/c.h5" --fs 100 > /dev/null
train=("$shinden" train "$dir/c.h5" --loss siglip-jaccard --width 16 --epochs 30 --batch-size 32 --n-threads 2 --checkpoint-seconds 0)

start=$(date +%s%N)
"${train[@]}" -o "$dir/whole" > "$dir/whole.log" 2>&1 || { cat "$dir/whole.log"; exit 1; }
ms=$(( ($(date +%s%N) - start) / 1000000 ))
echo "uninterrupted: $ms ms"

same() { cmp "$dir/whole/model.safetensors" "$dir/run/model.safetensors" || { echo "after $done_kills kills: other bits"; exit 1; }; }

done_kills=0
runs=0
while [ "$done_kills" -lt "$kills" ]; do
    "${train[@]}" --resume -o "$dir/run" > "$dir/run.log" 2>&1 &
    pid=$!
    wait_ms=$(( RANDOM * ms / 32768 ))
    sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
    kill -9 "$pid" 2> /dev/null || true
    status=0
    wait "$pid" 2> /dev/null || status=$?
    if [ "$status" -eq 137 ]; then
        done_kills=$((done_kills + 1))
    elif [ "$status" -eq 0 ]; then          # it was done before the kill: compare, and begin anew
        same
        runs=$((runs + 1))
        rm -rf "$dir/run"
    else
        cat "$dir/run.log"
        exit 1
    fi
done
"${train[@]}" --resume -o "$dir/run" > "$dir/run.log" 2>&1 || { cat "$dir/run.log"; exit 1; }
same
steps=$(grep -c '"event": "step"' "$dir/run/log.jsonl")
[ "$steps" -eq "$(grep -c '"event": "step"' "$dir/whole/log.jsonl")" ] || { echo "log.jsonl has $steps steps"; exit 1; }
echo "same bits after $done_kills kills in $((runs + 1)) runs"
