#!/usr/bin/env bash
# model show: for people and for programs, and what is no model.
# usage: model.sh PROGRAM
set -euo pipefail
shinden=$1
source "$(dirname "$0")/fixture.inc"

[ "$(code_of "$shinden" model show model.safetensors)" = 0 ] || fail "$(cat err)"
for word in bce 'ResNet 1D, 12 leads' '100 Hz' 心房細動 'scp:AFIB' 'made up' 'Not a medical device'; do
  grep -q -- "$word" out || fail "'$word' is not shown"
done
[ "$(code_of "$shinden" model show model.safetensors --json)" = 0 ] && grep -q '"schema_version": 1' out || fail "json"
truncate -s -1 model.safetensors
[ "$(code_of "$shinden" model show model.safetensors)" = 1 ] && [ "$(wc -l <err)" = 1 ] && [ ! -s out ] || fail "a byte too few: $(cat err)"
[ "$(code_of "$shinden" model delete model.safetensors)" = 2 ] || fail "another word"
echo "model.sh: passed"
