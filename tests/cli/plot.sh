#!/usr/bin/env bash
# Real recordings on paper: every layout and format; sizes are read back from the files.
# usage: plot.sh PROGRAM
set -euo pipefail
shinden=$1
data=${SHINDEN_DATA:-../shared/data}
if [ ! -d "$data/ptbxl/records100" ]; then
  echo "skipped: no recordings at $data (set SHINDEN_DATA)"
  exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export ASAN_OPTIONS=detect_leaks=0      # fontconfig keeps its tables to the end
fail() { echo "plot.sh: $*" >&2; exit 1; }

u32() { od -An -tu1 -j "$2" -N 4 "$1" | awk '{ print (($1 * 256 + $2) * 256 + $3) * 256 + $4 }'; }

record=$(find "$data/ptbxl/records100" -name '*.hea' | sort | sed -n 1p)
for layout in 3x4 6x2 12x1; do
  "$shinden" plot "$record" -o "$tmp/$layout.png" --layout $layout --highpass 0.5
  [ "$(od -An -c -N 4 "$tmp/$layout.png" | tr -d ' ')" = '211PNG' ] || fail "$layout.png is no PNG"
  width=$(u32 "$tmp/$layout.png" 16)
  [ "$width" -eq 2376 ] || fail "$layout.png is $width pixels wide, 297 mm at 8 per mm are 2376"
  [ "$(u32 "$tmp/$layout.png" 41)" -eq 8000 ] || fail "$layout.png does not say 8000 pixels per metre"
done
"$shinden" plot "$record" -o "$tmp/a.svg"
grep -q 'width="841.889764pt"' "$tmp/a.svg" || fail "a.svg is not 297 mm wide"
"$shinden" plot "$record" -o "$tmp/a.pdf" --seconds 5 --start 2 --speed 50
[ "$(head -c 5 "$tmp/a.pdf")" = '%PDF-' ] || fail "a.pdf is no PDF"

# one record of every set that is there, whatever its rate and length
for set in ptbxl/records500 cinc2021 ludb brugada_huca code15; do
  [ -d "$data/$set" ] || continue
  record=$(find "$data/$set" -name '*.hea' | sort | sed -n 1p)
  raw=()
  [ $set = ludb ] && raw=(--raw-microvolts)
  "$shinden" plot "$record" "${raw[@]}" -o "$tmp/set.png" || fail "$record was not drawn"
  rm "$tmp/set.png"
done

code=0
message=$("$shinden" plot "$tmp/nothing" -o "$tmp/b.png" 2>&1) || code=$?
[ $code -eq 1 ] && [[ $message == *nothing* ]] && [ "$(wc -l <<<"$message")" -eq 1 ] || fail "a missing file: code $code, '$message'"
[ ! -e "$tmp/b.png" ] || fail "a picture of nothing was left"
echo "plot.sh: passed"
