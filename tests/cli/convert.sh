#!/usr/bin/env bash
# The verb convert: round trips between WFDB, EDF+ and CSV keep the signal file's bytes, names and collisions, nothing written over, one bad file among good ones,
# identifiers, a cohort; and every PTB-XL record at 500 Hz to EDF+ and back, where the recordings are at hand.
set -euo pipefail
shinden=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "convert: $*"; exit 1; }
code_of() { local code=0; "$@" >"$dir/told" 2>"$dir/err" || code=$?; echo $code; }

"$shinden" simulate -n 3 --seed 7 -o "$dir/sim" >/dev/null
mapfile -t headers < <(find "$dir/sim" -name '*.hea' | sort)
[ "${#headers[@]}" -eq 3 ] || fail "simulate made ${#headers[@]} records"

# WFDB -> EDF+ -> CSV -> WFDB: the bytes of the signal files
"$shinden" convert "$dir/sim" -o "$dir/edf" --to edf >/dev/null
"$shinden" convert "$dir/edf" -o "$dir/csv" --to csv >/dev/null
"$shinden" convert "$dir/csv" -o "$dir/wfdb" >"$dir/told"
grep -q '^3 records written, 0 refused' "$dir/told" || fail "$(cat "$dir/told")"
for header in "${headers[@]}"; do
  cmp "${header%.hea}.dat" "$dir/wfdb/$(basename "${header%.hea}").dat" || fail "the signal file of $header changed"
done
[ "$(grep -c 'mV' "$dir"/wfdb/*.hea | head -1 | cut -d: -f2)" -eq 12 ] || fail "units: $(cat "$dir"/wfdb/*.hea)"

# gain, baseline and gaps of a record made by hand; -32768 is a gap and stays one
printf '\001\000\002\000\000\200\004\000\377\177\001\200' >"$dir/g.dat"
printf 'g 2 360 3\ng.dat 16 200(7)/mV 12 0 1 0 0 MLII\ng.dat 16 1000(-12)/uV 12 0 2 -32761 0 V1\n#Age: 51\n#Sex: F\n#Patient id: MCH-0234567\n#Dx: 426783006\n' >"$dir/g.hea"
"$shinden" convert "$dir/g.hea" -o "$dir/g1" --to edf >/dev/null
"$shinden" convert "$dir/g1/g.edf" -o "$dir/g2" --to csv >/dev/null
"$shinden" convert "$dir/g2/g.csv" -o "$dir/g3" >/dev/null
cmp "$dir/g.dat" "$dir/g3/g.dat" || fail "integers of g: $(od -An -td2 "$dir/g3/g.dat")"
grep -q '200(7)/mV' "$dir/g3/g.hea" && grep -q '1000000(-12)/mV' "$dir/g3/g.hea" || fail "calibration: $(cat "$dir/g3/g.hea")"
grep -q '^#Age: 51' "$dir/g3/g.hea" && grep -q '^#Sex: Female' "$dir/g3/g.hea" && grep -q '^#Dx: 426783006' "$dir/g3/g.hea" || fail "what is known: $(cat "$dir/g3/g.hea")"
grep -q '^# gain_adu_per_mv: 200 1000000' "$dir/g2/g.csv" && grep -q '^1,2$' "$dir/g2/g.csv" && grep -q '^,4$' "$dir/g2/g.csv" || fail "CSV: $(cat "$dir/g2/g.csv")"

# identifiers only when asked for
if grep -rq 0234567 "$dir/g1" "$dir/g2" "$dir/g3"; then fail "a patient id was written unasked"; fi
for to in wfdb edf csv; do
  "$shinden" convert "$dir/g.hea" -o "$dir/kept" --to $to --keep-identifiers >/dev/null
done
[ "$(grep -rl 0234567 "$dir/kept" | wc -l)" -eq 3 ] || fail "identifiers: $(grep -rl 0234567 "$dir/kept")"
"$shinden" convert --help | grep -q 'keep-identifiers' || fail "help does not tell of identifiers"

# names: two of one name, characters that WFDB does not take; nothing is written over
mkdir -p "$dir/in/a" "$dir/in/b"
cp "$dir/g1/g.edf" "$dir/in/a/"
cp "$dir/g1/g.edf" "$dir/in/b/"
cp "$dir/g1/g.edf" "$dir/in/b/ward 3 (old).edf"
"$shinden" convert "$dir/in" -o "$dir/names" >/dev/null
[ "$(cd "$dir/names" && ls *.hea | tr '\n' ' ')" = "g.hea g_2.hea ward_3__old_.hea " ] || fail "names: $(ls "$dir/names")"
before=$(cat "$dir"/names/* | cksum)
[ "$(code_of "$shinden" convert "$dir/in" -o "$dir/names" --json)" -eq 1 ] || fail "wrote over files"
[ "$(grep -c '"reason":"duplicate_id"' "$dir/told")" -eq 3 ] || fail "written over: $(cat "$dir/told")"
[ "$before" = "$(cat "$dir"/names/* | cksum)" ] || fail "files changed"
[ "$(code_of "$shinden" convert "$dir/in" -o "$dir/names" --force)" -eq 0 ] || fail "--force: $(cat "$dir/err")"
[ "$(code_of "$shinden" convert "$dir/in/a/g.edf" -o "$dir/in/a" --to edf --force)" -eq 1 ] || fail "the input was written over"
grep -q 'the input itself' "$dir/err" || fail "$(cat "$dir/err")"
cmp "$dir/g1/g.edf" "$dir/in/a/g.edf" || fail "the input changed"

# one bad file does not stop the others
head -c 900 "$dir/g1/g.edf" >"$dir/in/a/cut.edf"
[ "$(code_of "$shinden" convert "$dir/in" -o "$dir/some" --to csv --json)" -eq 1 ] || fail "a bad file was not told by the exit code"
[ "$(wc -l <"$dir/told")" -eq 4 ] && [ "$(grep -c '"out":' "$dir/told")" -eq 3 ] || fail "JSON: $(cat "$dir/told")"
grep '"error":' "$dir/told" | grep -q '"reason":"truncated"' || fail "reason: $(cat "$dir/told")"
[ "$(ls "$dir/some" | wc -l)" -eq 3 ] || fail "$(ls "$dir/some")"

# no unit: refused for WFDB and EDF, until the user says what one step is; CSV can say that it is unknown
printf '# shinden ecg csv 1\n# fs_hz: 500\nI,II\n1000,2000\n-5,6\n' >"$dir/u.csv"
[ "$(code_of "$shinden" convert "$dir/u.csv" -o "$dir/u" --json)" -eq 1 ] || fail "no unit was accepted"
grep -q '"reason":"no_unit"' "$dir/told" || fail "$(cat "$dir/told")"
[ "$(code_of "$shinden" convert "$dir/u.csv" -o "$dir/u" --assume-unit uV)" -eq 0 ] || fail "$(cat "$dir/err")"
[ "$(od -An -td2 "$dir/u/u.dat" | xargs)" = "1000 2000 -5 6" ] || fail "assumed unit: $(od -An -td2 "$dir/u/u.dat")"
"$shinden" convert "$dir/u.csv" -o "$dir/u" --to csv >/dev/null
grep -q '^# unit: unknown' "$dir/u/u.csv" || fail "$(cat "$dir/u/u.csv")"

# a cohort, through import
[ "$(code_of "$shinden" convert "$dir/edf" -o "$dir/cohort" --to cohort --json)" -eq 0 ] || fail "cohort: $(cat "$dir/err")"
grep -q '"n_kept": 3' "$dir/told" && [ -s "$dir/cohort/cohort.h5" ] || fail "cohort: $(cat "$dir/told")"
[ "$(code_of "$shinden" convert "$dir/edf" -o "$dir/cohort" --to cohort)" -eq 1 ] || fail "a cohort was written over"
[ "$(code_of "$shinden" convert "$dir/edf" -o "$dir/cohort" --to cohort --force)" -eq 0 ] || fail "cohort again: $(cat "$dir/err")"
[ "$(code_of "$shinden" convert "$dir/g.hea" -o "$dir/cohort" --to cohort)" -eq 2 ] || fail "a cohort of a file"

# bad usage
[ "$(code_of "$shinden" convert "$dir/edf")" -eq 2 ] && [ "$(code_of "$shinden" convert -o "$dir/x")" -eq 2 ] && [ "$(code_of "$shinden" convert "$dir/edf" -o "$dir/x" --to xls)" -eq 2 ] ||
  fail "bad usage was accepted"

data=${SHINDEN_DATA:-../shared/data}
if [ -d "$data/ptbxl/records500" ]; then
  "$shinden" convert "$data/ptbxl/records500" -o "$dir/pe" --to edf >/dev/null
  "$shinden" convert "$dir/pe" -o "$dir/pw" >"$dir/told"
  n=0
  while read -r file; do
    cmp "$file" "$dir/pw/$(basename "$file")" || fail "PTB-XL: $file changed"
    n=$((n + 1))
  done < <(find "$data/ptbxl/records500" -name '*.dat')
  [ "$n" -ge 300 ] || fail "only $n PTB-XL records"
  echo "$n PTB-XL records to EDF+ and back: signal files equal"
else
  echo "PTB-XL to EDF+ and back: skipped, no recordings at $data"
fi
