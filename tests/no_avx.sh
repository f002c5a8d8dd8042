#!/usr/bin/env bash
# Does an ordinary build run where there is no AVX? Every unit test of a build, and one round of the program from simulated
# records to a prediction, on emulated x86-64 CPUs without it: Nehalem has SSE4.2, qemu64 no more than SSE3, and each
# instruction beyond them ends a process with SIGILL. Needs qemu-user-static.
# usage: tests/no_avx.sh [PRESET [WORD...]]       PRESET: release (default), baseline; WORD: only unit tests of that name
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}
[ $# -gt 0 ] && shift
build=$PWD/build/$preset
qemu=$(command -v qemu-x86_64-static || command -v qemu-x86_64) || { echo "no_avx: no qemu-x86_64; install qemu-user-static"; exit 1; }
[ -x "$build/shinden" ] || { echo "no_avx: no $build/shinden; build the preset $preset first"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0

# the emulator must trap, else all below proves nothing
cat >"$work/avx.c" <<'C'
typedef float eight __attribute__((vector_size(32)));
int main(int argc, char **argv)
{
    volatile eight x = { (float)argc };
    (void)argv;
    x = x + x;
    return x[0] != 2;
}
C
"${CC:-cc}" -O1 -mavx "$work/avx.c" -o "$work/avx"
"$qemu" -cpu max "$work/avx" || { echo "no_avx: the emulator cannot run AVX at all"; exit 1; }

for cpu in Nehalem qemu64; do
  if bash -c '"$@" || exit 1' - "$qemu" -cpu $cpu "$work/avx" 2>/dev/null; then echo "no_avx: $cpu runs AVX, so it shows nothing"; exit 1; fi
  n=0
  for test in "$build"/tests/test_*; do
    name=${test##*/test_}
    [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
    n=$((n + 1))
    if ! "$qemu" -cpu $cpu "$test" >"$work/out" 2>&1; then
      cat "$work/out"
      echo "no_avx: test_$name fails on $cpu"
      bad=$((bad + 1))
    fi
  done
  [ $n -gt 0 ] || { echo "no_avx: no such test: $*"; exit 1; }
  shinden() { "$qemu" -cpu $cpu "$build/shinden" "$@" >"$work/out" 2>&1 || { cat "$work/out"; echo "no_avx: shinden $1 fails on $cpu"; exit 1; }; }
  shinden simulate -n 100 --seed 5 --fs 100 -o "$work/$cpu"
  shinden import --map "$work/$cpu/mapping.yaml" "$work/$cpu" --simulated -o "$work/$cpu.h5"
  shinden train "$work/$cpu.h5" --loss bce --epochs 1 --seed 1 --width 8 --blocks 1,1 -o "$work/$cpu-run"
  shinden predict "$work/$cpu-run/model.safetensors" "$work/$cpu/records/000/sim5_000000.hea" --json
  grep -q '"finding"\|"id"' "$work/out" || { cat "$work/out"; echo "no_avx: a prediction without findings"; exit 1; }
  echo "$cpu: $n test programs and one round of the program"
done
[ $bad -eq 0 ] || { echo "no_avx: $bad test programs failed"; exit 1; }
