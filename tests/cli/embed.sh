#!/usr/bin/env bash
# embed: arrays and their tables, files that fail, nothing written where nothing can be.
# usage: embed.sh PROGRAM
set -euo pipefail
shinden=$1
source "$(dirname "$0")/fixture.inc"

[ "$(code_of "$shinden" embed model.safetensors records -o z.npy)" = 1 ] || fail "c_short must give 1"
grep -q too_short err || fail "c_short was not named: $(cat err)"
[ "$(wc -l <z.npy.csv)" = 4 ] || fail "table of $(wc -l <z.npy.csv) lines"
head -c 128 z.npy | grep -aq "'shape': (3, 8)" || fail "shape"
[ "$(stat -c %s z.npy)" = $((128 + 3 * 8 * 4)) ] || fail "size $(stat -c %s z.npy)"
! grep -q patient z.npy.csv || fail "the table speaks of patients"

[ "$(code_of "$shinden" embed model.safetensors records/a_good records/d_good -o two.npy)" = 0 ] || fail "two files: $(cat err)"
cmp -s <(tail -c 64 two.npy) <(tail -c 96 z.npy | head -c 32; tail -c 32 z.npy) || fail "a vector depends on its neighbours"
[ "$(code_of "$shinden" embed model.safetensors words.txt -o none.npy)" = 1 ] && [ ! -e none.npy ] && [ ! -e none.npy.csv ] || fail "an array of nothing"
[ "$(code_of "$shinden" embed model.safetensors records/a_good -o gone/z.npy)" = 1 ] && grep -q gone err || fail "missing folder: $(cat err)"
[ "$(code_of "$shinden" embed model.safetensors records/a_good -o z.mat)" = 2 ] || fail "another ending"
echo "embed.sh: passed"
