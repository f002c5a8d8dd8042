#!/usr/bin/env bash
# The verb deidentify: copies, audit and link of a mixed folder, the same patient in two formats, what is refused, and that nothing is written over.
set -euo pipefail
shinden=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "deidentify: $*"; exit 1; }

"$shinden" simulate -n 2 --seed 11 -o "$dir/sim" >/dev/null
mapfile -t records < <(find "$dir/sim" -name '*.hea' | sort)
mkdir "$dir/in"
"$shinden" convert "${records[0]}" --to edf -o "$dir/in" >/dev/null
cp "${records[1]}" "${records[1]%.hea}.dat" "$dir/in"
header=$dir/in/$(basename "${records[1]}")
printf '#Tanaka Hanako, room 12\n' >>"$header"
edf=$(ls "$dir"/in/*.edf)
# an EDF patient field: code, sex, birth date, name
printf '%-80s' 'HOSP-0815 F 02-AUG-1951 Hanako_Tanaka' | dd of="$edf" bs=1 seek=8 conv=notrunc status=none
echo "not an ECG" >"$dir/in/broken.scp"
head -c 32 /dev/urandom >"$dir/key"

code=0
"$shinden" deidentify "$dir/in" --key "$dir/key" -o "$dir/out" --link "$dir/link.csv" >"$dir/told" 2>"$dir/err" || code=$?
[ "$code" -eq 1 ] || fail "a refused file ended with $code: $(cat "$dir/err")"
grep -q '^2 files written, 1 refused' "$dir/told" || fail "$(cat "$dir/told" "$dir/err")"
[ "$(wc -l <"$dir/link.csv")" -eq 3 ] || fail "link: $(cat "$dir/link.csv")"
if grep -rqE 'Tanaka|Hanako|HOSP-0815|AUG-1951|room 12' "$dir/out"; then fail "an identifier is left: $(grep -rlE 'Tanaka|Hanako|HOSP-0815|AUG-1951' "$dir/out")"; fi
for old in "$(basename "$edf" .edf)" "$(basename "${records[1]}" .hea)"; do
    if ls "$dir/out" | grep -q "$old"; then fail "a file name is left: $old"; fi
done
grep -q 'patient' "$dir/out/audit.csv" || fail "audit: $(cat "$dir/out/audit.csv")"
"$shinden" check "$dir/out" >"$dir/checked" || true
grep -q '^2 records: 2 ok' "$dir/checked" || fail "the copies: $(cat "$dir/checked")"

# samples bit for bit; the same key gives the same patient again, another key another one
cmp "$dir"/out/*.dat "${records[1]%.hea}.dat" || fail "the signal file changed"
patient() { "$shinden" deidentify "$edf" --key "$1" -o "$2" --json | sed 's/.*"patient":"\([^"]*\)".*/\1/'; }
a=$(patient "$dir/key" "$dir/again")
b=$(patient "$dir/key" "$dir/once_more")
head -c 32 /dev/urandom >"$dir/other"
c=$(patient "$dir/other" "$dir/third")
[ "$a" = "$b" ] && [ "$a" != "$c" ] && [[ $a =~ ^P[0-9a-f]{16}$ ]] || fail "patients $a $b $c"

# nothing is written over; bad keys and usage
code=0
"$shinden" deidentify "$edf" --key "$dir/key" -o "$dir/again" >/dev/null 2>"$dir/err" || code=$?
[ "$code" -eq 1 ] && grep -q 'is there already' "$dir/err" || fail "written over: $(cat "$dir/err")"
echo short >"$dir/short"
code=0
"$shinden" deidentify "$edf" --key "$dir/short" -o "$dir/x" >/dev/null 2>"$dir/err" || code=$?
[ "$code" -eq 1 ] && grep -q 'needs 16 to' "$dir/err" || fail "short key: $code $(cat "$dir/err")"
code=0
"$shinden" deidentify "$edf" -o "$dir/x" >/dev/null 2>&1 || code=$?
[ "$code" -eq 2 ] || fail "no key ended with $code"
