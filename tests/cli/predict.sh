#!/usr/bin/env bash
# predict as scripts use it: codes, streams, a folder with a bad file, order, determinism.
# usage: predict.sh PROGRAM
set -euo pipefail
shinden=$1
source "$(dirname "$0")/fixture.inc"

[ "$(code_of "$shinden" predict model.safetensors records/a_good)" = 0 ] || fail "a good record: $(cat err)"
[ ! -s err ] || fail "noise on stderr: $(cat err)"
grep -q 'Not a medical device' out || fail "no notice"
cp out first
"$shinden" predict model.safetensors records/a_good >second
cmp -s first second || fail "two runs differ"

[ "$(code_of "$shinden" predict model.safetensors records words.txt --json)" = 1 ] || fail "a bad file must give 1"
[ "$(grep -c '"research_use_only": true' out)" = 5 ] || fail "five objects were due"
[ "$(grep -c '"reason": "too_short"' out)" = 1 ] || fail "the short record was not reported"
[ "$(grep -o '"path": "[^"]*' out | sed 's/.*"//; s/\.hea$//' | tr '\n' ' ')" = "records/a_good records/b_flat records/c_short records/d_good words.txt " ] ||
  fail "order: $(grep path out)"

# the same record alone and among others, on one thread and on two: the same numbers
"$shinden" predict model.safetensors records/d_good --csv | tail -n +2 | cut -d, -f5- >alone
{ "$shinden" predict model.safetensors records --csv --threads 2 || [ $? = 1 ]; } | grep d_good | cut -d, -f5- >among
cmp -s alone among || fail "a record's numbers depend on its neighbours"

# a folder without records, a model that is none, a model that is missing, half a model
mkdir empty
[ "$(code_of "$shinden" predict model.safetensors empty --json)" = 1 ] && grep -q not_found out || fail "an empty folder"
[ "$(code_of "$shinden" predict words.txt records/a_good)" = 1 ] && [ "$(wc -l <err)" = 1 ] && grep -q words.txt err || fail "no model: $(cat err)"
[ "$(code_of "$shinden" predict gone.safetensors records/a_good)" = 1 ] && grep -q 'gone.safetensors.*not_found' err || fail "missing model: $(cat err)"
head -c 3000 model.safetensors >half.safetensors
[ "$(code_of "$shinden" predict half.safetensors records/a_good)" = 1 ] && [ ! -s out ] || fail "half a model: $(cat err)"

# a machine without fonts: no boxes, but the name of the package
mkdir nofonts
echo "<?xml version=\"1.0\"?><fontconfig><dir>$tmp/nofonts</dir><cachedir>$tmp/nofonts</cachedir></fontconfig>" >fonts.conf
[ "$(FONTCONFIG_FILE=$tmp/fonts.conf code_of "$shinden" plot records/a_good -o no.png)" = 1 ] && grep -q fonts-ipafont-gothic err && [ ! -e no.png ] ||
  fail "no fonts: $(cat err)"
echo "predict.sh: passed"
