#!/usr/bin/env bash
# Several ranks train one model (a build with MPI, mpirun there): the same losses as one process with as many threads, to the bit; a rank killed at random
# times ends the run, which resumes to the bits of an uninterrupted one, also with another number of ranks; a rank that hangs ends it, too.
# KILLS (2; docs/cluster.md quotes 20) and SEED can be set from outside.
set -euo pipefail
shinden=$1
command -v mpirun >/dev/null || { echo "no mpirun (./setup.sh --mpi)"; exit 77; }
grep -q SHINDEN_MPI:BOOL=ON "$(dirname "$shinden")/CMakeCache.txt" 2>/dev/null || { echo "a build without MPI (cmake --preset mpi)"; exit 77; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
kills=${KILLS:-2}
RANDOM=${SEED:-$$}
echo "kills $kills, seed ${SEED:-$$}"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "ranks: $*" >&2; exit 1; }
losses() { sed -n 's/.*"event": "step".*"loss": \([^,]*\),.*/\1/p' "$dir/$1/log.jsonl"; }

"$shinden" simulate -n 160 --seed 5 -o "$dir/sim" >/dev/null
"$shinden" import --map "$dir/sim/mapping.yaml" -o "$dir/c.h5" --fs 100 >/dev/null
train=("$shinden" train "$dir/c.h5" --loss siglip-jaccard --text hash --width 16 --epochs 20 --batch-size 32 --checkpoint-seconds 0)
ranks() { local n=$1; shift; mpirun -n "$n" --oversubscribe "${train[@]}" --n-threads 1 "$@"; }

# one process with two threads, two ranks with one
"${train[@]}" --n-threads 2 -o "$dir/threads" >"$dir/log" 2>&1 || { cat "$dir/log"; fail "one process"; }
start=$(date +%s%N)
ranks 2 -o "$dir/whole" >"$dir/log" 2>&1 || { cat "$dir/log"; fail "two ranks"; }
ms=$(( ($(date +%s%N) - start) / 1000000 ))
[ "$(losses whole | wc -l)" -ge 60 ] || fail "$(losses whole | wc -l) steps"
diff <(losses threads) <(losses whole) >/dev/null || fail "two ranks have other losses than two threads"
grep -q ' 2 ranks 1 thread ' "$dir/whole/log.jsonl" || fail "the log does not say that there were two ranks"
ranks 2 -o "$dir/again" >/dev/null 2>&1
cmp "$dir/whole/model.safetensors" "$dir/again/model.safetensors" || fail "the same job gave other bits"

# three ranks: other sums, so near and not equal; and each on its own statistics
near() { paste <(losses "$1") <(losses "$2") | awk 'NF == 2 && NR <= 3 { d = ($1 - $2) / $1; if (d < 0) d = -d; if (d > 1e-4) exit 1; n++ } END { exit n == 3 ? 0 : 1 }'; }
"${train[@]}" --n-threads 2 --epochs 1 -o "$dir/short" >/dev/null 2>&1
ranks 3 -o "$dir/three" --epochs 1 >"$dir/log" 2>&1 || { cat "$dir/log"; fail "three ranks"; }
near short three || fail "three ranks start with other losses"
ranks 2 -o "$dir/own" --epochs 1 --sync-batch-norm 0 >"$dir/log" 2>&1 || { cat "$dir/log"; fail "statistics of each rank"; }
[ "$(losses own | head -n 1)" != "$(losses short | head -n 1)" ] || fail "sync_batch_norm changes nothing"

# parts of a batch (accum_freq): same losses at first as one process
"${train[@]}" --n-threads 2 --epochs 1 --batch-size 16 --accum-freq 2 -o "$dir/parts1" >/dev/null 2>&1
ranks 2 --epochs 1 --batch-size 16 --accum-freq 2 -o "$dir/parts2" >"$dir/log" 2>&1 || { cat "$dir/log"; fail "parts"; }
near parts1 parts2 || fail "parts start with other losses"

# an encoder of 134 units: a sum for each is under way at once
ranks 2 -o "$dir/deep" --epochs 1 --width 8 --blocks 16,16,16,16 >"$dir/log" 2>&1 || { cat "$dir/log"; fail "a deep encoder"; }

# stopped: every rank says so
ranks 2 -o "$dir/stopped" --stop-after step:2 >"$dir/log" 2>&1 && fail "was not stopped"
for r in 0 1; do grep -q "rank $r: stopped after step 2" "$dir/log" || { cat "$dir/log"; fail "rank $r says nothing of being stopped"; }; done

# what does not go
ranks 40 -o "$dir/many" >"$dir/log" 2>&1 && fail "40 ranks shared 32 records"
grep -q "every rank needs a record" "$dir/log" || { cat "$dir/log"; fail "no word about 40 ranks"; }
mpirun -n 2 "$shinden" predict "$dir/whole/model.safetensors" "$dir/sim" >"$dir/log" 2>&1 && fail "predict ran twice"
grep -q "only train shares its work" "$dir/log" || fail "no word about predict in ranks"

# ranks that begin with something of their own: rank 1 says what, and nothing is written
apart() {
  local what=$1; shift
  mpirun -n 1 --oversubscribe "${train[@]}" --n-threads 1 -o "$dir/apart" : -n 1 "$@" --n-threads 1 -o "$dir/apart" >"$dir/log" 2>&1 && fail "ranks with $what trained"
  grep -q "rank 1: rank 1 has $what than rank 0" "$dir/log" && grep -q "rank 0: rank 1 failed" "$dir/log" || { cat "$dir/log"; fail "no word about $what"; }
  [ ! -e "$dir/apart/config.yaml" ] || fail "a run with $what began"
}
apart "other settings" "${train[@]}" --lr 5e-3
apart "another instruction set" env SHINDEN_ISA=base "${train[@]}"

# killed at random times, two ranks with a thread and one with two in turn
start_ranks() { mpirun -n "$1" --oversubscribe "${train[@]}" --n-threads $((2 / $1)) --resume -o "$dir/run" >"$dir/run.log" 2>&1 & job=$!; }
# the ranks, without mpirun, whose command line names them
children() { for p in $(pgrep -f -- "--resume -o $dir/run" || true); do case $(ps -o comm= -p "$p" || true) in shinden*) echo "$p" ;; esac; done; }
done_kills=0
while [ "$done_kills" -lt "$kills" ]; do
  start_ranks $((RANDOM % 2 + 1))
  wait_ms=$(( RANDOM * ms / 32768 ))
  sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
  mapfile -t alive < <(children)
  killed=0
  if [ ${#alive[@]} -gt 0 ] && kill -9 "${alive[RANDOM % ${#alive[@]}]}" 2>/dev/null; then killed=1; fi
  start=$(date +%s)
  status=0
  wait "$job" || status=$?
  took=$(( $(date +%s) - start ))
  [ "$took" -le 30 ] || fail "ended $took s after a rank was killed"
  if [ "$status" -eq 0 ]; then
    diff <(losses whole) <(losses run) >/dev/null || fail "other losses after $done_kills kills"
    rm -rf "$dir/run"
  elif [ "$killed" -eq 1 ]; then
    done_kills=$((done_kills + 1))
  elif ! grep -q "signal 9" "$dir/run.log"; then
    cat "$dir/run.log"
    fail "ended by itself with $status"
  fi
  [ -z "$(children)" ] || { sleep 2; [ -z "$(children)" ] || fail "a rank is left over"; }
done
start_ranks 2
wait "$job" || { cat "$dir/run.log"; fail "the last resume"; }
diff <(losses whole) <(losses run) >/dev/null || fail "other losses after $done_kills kills"

# one that hangs
rm -rf "$dir/run"
export SHINDEN_RANK_SECONDS=2
start_ranks 2
for _ in $(seq 100); do [ -e "$dir/run/checkpoints/last.safetensors" ] && break; sleep 0.1; done
mapfile -t alive < <(children)
victim=${alive[-1]}
kill -STOP "$victim"
status=0
wait "$job" || status=$?
kill -9 "$victim" 2>/dev/null || true
[ "$status" -ne 0 ] || fail "a rank that hangs went unnoticed"
grep -q "has not answered for 2 s" "$dir/run.log" || { cat "$dir/run.log"; fail "no word about the rank that hangs"; }
echo "same losses with threads, ranks and after $done_kills kills"
