#!/usr/bin/env bash
# The verb check: text, JSON, folders of mixed formats, companions, and its exit codes; on the real samples of ../shared/data, where they are, every
# status and first reason as tests/golden/check_formats.txt has them.
set -euo pipefail
shinden=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "check: $*"; exit 1; }
here=$(cd "$(dirname "$0")/.." && pwd)

"$shinden" simulate -n 3 --seed 9 -o "$dir/sim" >/dev/null
records=("$dir"/sim/records/*.hea)
[ -e "${records[0]}" ] || mapfile -t records < <(find "$dir/sim" -name '*.hea' | sort)
mkdir "$dir/mix"
"$shinden" convert "${records[0]}" --to edf -o "$dir/mix" >/dev/null
"$shinden" convert "${records[1]}" --to csv -o "$dir/mix" >/dev/null
cp "${records[2]}" "${records[2]%.hea}.dat" "$dir/mix"
echo "name,label" >"$dir/mix/labels.csv"
head -c 300 /dev/urandom >"$dir/mix/broken.dcm"

# a folder: three records of three formats, a broken one that is listed, a companion and a table that are not
code=0
"$shinden" check "$dir/mix" >"$dir/out" || code=$?
[ "$code" -eq 1 ] || fail "a refused record ended with $code"
grep -q '^4 records: 3 ok, 0 warn, 1 refused$' "$dir/out" || fail "summary: $(tail -n 6 "$dir/out")"
grep -q '1 companion files' "$dir/out" || fail "no companions: $(tail -n 6 "$dir/out")"
grep -q '1 files of no ECG format.*labels.csv' "$dir/out" || fail "the table: $(tail -n 6 "$dir/out")"
grep -q '^refused .*broken.dcm' "$dir/out" || fail "the broken file is not told"
for format in edf csv wfdb; do grep -q "^ok .* $format" "$dir/out" || fail "no $format"; done

# JSON: one object a line; the same record in three formats says the same
"$shinden" check --json "$dir/mix" >"$dir/json" || true
[ "$(wc -l <"$dir/json")" -eq 4 ] || fail "not one object for each record"
for key in path format status reasons fs_hz n_samples leads einthoven_uv_max age sex acquired; do
    [ "$(grep -c "\"$key\":" "$dir/json")" -eq 4 ] || fail "no $key in every object"
done
v3() { "$shinden" check --json "$1" | grep -o '"name":"V3"[^}]*' | sed 's/.*"first_mv":\(\[[^]]*\]\).*/\1/'; }
[ "$(v3 "${records[0]}")" = "$(v3 "$(ls "$dir"/mix/*.edf)")" ] || fail "EDF holds other samples than the WFDB record it was made from"
[ "$(v3 "${records[1]}")" = "$(v3 "$(ls "$dir"/mix/*-*.csv "$dir"/mix/*.csv 2>/dev/null | grep -v labels | head -n 1)")" ] || fail "CSV holds other samples than the WFDB record"

# a signal file by itself
code=0
"$shinden" check "${records[0]%.hea}.dat" >"$dir/out" || code=$?
[ "$code" -eq 1 ] || fail "a companion alone ended with $code"
grep -q "companion_file: .*name .*hea" "$dir/out" || fail "no hint to the header: $(cat "$dir/out")"

# no unit: refused, unless it is assumed
printf '# fs_hz: 250\nI,II\n' >"$dir/bare.csv"
for t in $(seq 1500); do echo "$((t % 50)),$((t % 70))"; done >>"$dir/bare.csv"
code=0
"$shinden" check "$dir/bare.csv" >"$dir/out" || code=$?
[ "$code" -eq 1 ] && grep -q 'no_unit' "$dir/out" || fail "no unit: $code, $(cat "$dir/out")"
"$shinden" check --assume-unit uV --json "$dir/bare.csv" | grep -q '"max_mv":0.049' || fail "an assumed unit does not scale"
code=0
"$shinden" check --assume-unit furlong "$dir/bare.csv" >/dev/null 2>&1 || code=$?
[ "$code" -eq 2 ] || fail "a bad unit ended with $code"
code=0
"$shinden" check >/dev/null 2>&1 || code=$?
[ "$code" -eq 2 ] || fail "bad usage ended with $code"

data=${SHINDEN_DATA:-$here/../../shared/data}/formats
if [ ! -d "$data" ]; then
    echo "skipped: no recordings at $data"
    exit 0
fi
"$shinden" check "$data" >"$dir/text" || true
# "status path first-reason": a reason stands in the line after its record
awk -v root="$data/" '/^$/ { exit } /^(ok|warn|refused) / { if (n++) print line; line = $1 " " substr($2, length(root) + 1); told = 0; next }
    /^    / && !told { sub(/:.*/, ""); gsub(/ /, ""); line = line " " $0; told = 1 } END { if (n) print line }' "$dir/text" >"$dir/got"
grep -v '^#' "$here/golden/check_formats.txt" >"$dir/want"
diff "$dir/want" "$dir/got" || fail "the samples are told otherwise than in tests/golden/check_formats.txt"
