#!/usr/bin/env bash
# shinden simulate as its users call it: what it writes, that it repeats, and how it refuses.
set -u
program=$1
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }

# expect CODE TEXT COMMAND...: exit code and a piece of what is printed
expect() {
  local code=$1 text=$2 got
  shift 2
  "$@" >"$work/out" 2>&1
  got=$?
  if [ "$got" != "$code" ] || ! grep -qF -- "$text" "$work/out"; then fail "$* -> exit $got (expected $code), wanted '$text' in: $(head -3 "$work/out")"; fi
}

expect 0 'example: shinden simulate' "$program" simulate --help
expect 0 'SIMULATED' "$program" simulate -n 40 --seed 3 --fs 100 -o "$work/a"
expect 0 '"simulated": true' "$program" simulate -n 40 --seed 3 --fs 100 --threads 1 --json -o "$work/b"
expect 0 '"research_use_only": true' "$program" simulate -n 5 --seed 4 --fs 100 --json -o "$work/c"
diff -r "$work/a" "$work/b" >/dev/null || fail "the same seed gives other bytes with another number of threads"
cmp -s "$work/a/records/000/sim3_000000.dat" "$work/c/records/000/sim4_000000.dat" && fail "another seed gives the same record"

[ "$(wc -l <"$work/a/labels.csv")" = 41 ] || fail "labels.csv has not 40 rows"
[ "$(find "$work/a/records" -name '*.hea' | wc -l)" = 40 ] || fail "not 40 headers"
[ "$(stat -c %s "$work/a/records/000/sim3_000000.dat")" = 24000 ] || fail "not 12 x 1000 samples of two bytes"
grep -q SIMULATED "$work/a/README" || fail "README does not say that it is simulated"
grep -qi simulated "$work/a/records/000/sim3_000000.hea" || fail "the header does not say that it is simulated"
grep -q '心房細動' "$work/a/findings.csv" || fail "findings.csv has no Japanese names"
# every label is one that mapping.yaml calls known, and one that findings.csv names
tail -n +2 "$work/a/labels.csv" | cut -d, -f7 | tr ';' '\n' | sort -u | while read -r id; do
  grep -q "^  - $id\$" "$work/a/mapping.yaml" && grep -q "^$id," "$work/a/findings.csv" || echo "$id"
done >"$work/unknown"
[ -s "$work/unknown" ] && fail "labels unknown to mapping or names: $(tr '\n' ' ' <"$work/unknown")"
[ "$(grep -c '^  - [a-z]' "$work/a/mapping.yaml")" -ge 25 ] || fail "fewer than 25 findings"
# splits are by patient
"$program" simulate -n 60 --records-per-patient 3 --fs 50 -o "$work/p" >/dev/null 2>&1 || fail "three records per patient"
[ "$(tail -n +2 "$work/p/labels.csv" | cut -d, -f3,4 | sort -u | wc -l)" = 20 ] || fail "a patient is in two splits"
"$program" simulate -n 5 --split test --fs 50 -o "$work/t" >/dev/null 2>&1
[ "$(tail -n +2 "$work/t/labels.csv" | cut -d, -f4 | sort -u)" = test ] || fail "--split test"

expect 2 'needs -o DIR' "$program" simulate -n 3
expect 2 '-n 0' "$program" simulate -n 0 -o "$work/x"
expect 2 '--fs 20' "$program" simulate -n 3 --fs 20 -o "$work/x"
expect 2 '--noise -1' "$program" simulate -n 3 --noise -1 -o "$work/x"
expect 2 'not a flag' "$program" simulate -n 3 -o "$work/x" more
expect 1 "split 'a,b'" "$program" simulate -n 3 --split a,b -o "$work/x"
: >"$work/file"
expect 1 "$work/file" "$program" simulate -n 3 --fs 50 -o "$work/file"
[ -e "$work/x/labels.csv" ] && fail "a refused call left a table"

# what was simulated can be imported as it is
if "$program" import --help >/dev/null 2>&1; then
  expect 0 '' "$program" import --map "$work/a/mapping.yaml" "$work/a" --simulated -o "$work/a.h5"
  [ -s "$work/a.h5" ] || fail "import wrote no cohort"
  [ "$(grep -c ',kept,' "$work/a.h5.manifest.csv" 2>/dev/null)" = 40 ] || fail "import did not keep all 40 records"
fi
exit $failed
