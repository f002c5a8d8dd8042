#!/bin/bash
# shinden import as its users call it: what it prints, how it ends, and what is on disk afterwards.
set -u
program=$1
. tests/cli/import_records.inc
work=$(mktemp -d "${TMPDIR:-/tmp}/shinden-import-XXXXXX")
trap 'umount "$work/small" 2> /dev/null; rm -rf "$work"' EXIT
failed=0

# expect CODE TEXT COMMAND...: the exit code and a piece of what is printed
expect() {
    local code=$1 text=$2; shift 2
    "$@" > "$work/out" 2>&1; local got=$?
    if [ "$got" != "$code" ] || ! grep -qF -- "$text" "$work/out"; then
        echo "FAILED: $* -> exit $got (expected $code), wanted '$text' in:"; head -5 "$work/out"; failed=1
    fi
}

mkdir "$work/set"
make_signal "$work/set/signal.dat" 500 10 > "$work/sums"
for i in 1 2 3 4; do make_record "$work/set" "r$i" 500 10 "$work/sums"; done
sed -i '2s/signal.dat/gone.dat/' "$work/set/r3.hea"
sed -i '2s/ -\?[0-9]* 0 I$/ 1 0 I/' "$work/set/r4.hea"
printf 'rec,patient,split,codes\nr1,a,train,AFIB;NEW\nr2,b,val,SR\nr3,b,val,SR\nr4,b,val,SR\n' > "$work/set/labels.csv"
cat > "$work/set/map.yaml" <<'YAML'
source: made
table: labels.csv
path: rec
id: rec
patient: patient
split: split
labels: [{column: codes, list: ";", coding: scp}]
YAML

expect 0 'shinden import --preset' "$program" import --help
expect 2 'name a folder' "$program" import -o "$work/c.h5"
expect 2 'name the cohort with -o' "$program" import --map "$work/set/map.yaml"
expect 0 "kept" "$program" import "$work/set" -o "$work/files.h5" --fs 100
expect 2 '--fs slow' "$program" import --map "$work/set/map.yaml" -o "$work/c.h5" --fs slow
expect 2 'needs the folder' "$program" import --preset ptbxl -o "$work/c.h5"
expect 1 'there are: ptbxl cinc2021' "$program" import --preset ptb "$work/set" -o "$work/c.h5"
expect 1 'not_found' "$program" import --map "$work/nothing.yaml" -o "$work/c.h5"

expect 0 '4 found, 2 kept, 2 refused' "$program" import --map "$work/set/map.yaml" -o "$work/c.h5" --fs 100
expect 0 'NEW' "$program" import --map "$work/set/map.yaml" "$work/set" -o "$work/c.h5" --fs 100
grep -q '^r3,made,refused,not_found,' "$work/c.h5.manifest.csv" || { echo "FAILED: r3 in the manifest"; failed=1; }
grep -q '^r4,made,refused,checksum,' "$work/c.h5.manifest.csv" || { echo "FAILED: r4 in the manifest"; failed=1; }
expect 0 '"n_kept": 2' "$program" import --map "$work/set/map.yaml" -o "$work/c.h5" --json
cp "$work/out" "$work/out.json"
expect 0 '"research_use_only": true' cat "$work/out.json"
expect 0 '"label": "NEW"' cat "$work/out.json"
mkdir "$work/latin"
cp "$work/set/signal.dat" "$work/set/r1.hea" "$work/latin"
printf '#Dx: 426783006,\xe9X\n' >> "$work/latin/r1.hea"                 # a label that is not UTF-8 is a label
printf 'source: latin\nlabels: [{header: true, coding: snomed}]\n' > "$work/latin.yaml"
expect 0 '"label": "�X"' "$program" import --map "$work/latin.yaml" "$work/latin" -o "$work/latin.h5" --json
if command -v h5dump > /dev/null; then
    expect 0 'H5T_STD_I16LE' h5dump -H "$work/c.h5"
fi

sed -i 's/^r2,b,val/r2,a,val/' "$work/set/labels.csv"
expect 1 'patients are in more than one split: a of made (train, val)' "$program" import --map "$work/set/map.yaml" -o "$work/d.h5"
[ ! -e "$work/d.h5" ] || { echo "FAILED: a cohort in spite of an overlap"; failed=1; }
printf 'rec,codes\nr1,"AFIB\n' > "$work/set/labels.csv"
expect 1 "$work/set/labels.csv" "$program" import --map "$work/set/map.yaml" -o "$work/d.h5"
printf 'source: made\n  table: x\n' > "$work/bad.yaml"
expect 1 "$work/bad.yaml: line 2" "$program" import --map "$work/bad.yaml" -o "$work/d.h5"

# a file size limit, and a truly full disk where one can be made
printf 'rec,patient,split,codes\nr1,a,train,AFIB\nr2,b,val,SR\n' > "$work/set/labels.csv"
expect 1 'disk_full' bash -c "ulimit -f 100; exec '$program' import --map '$work/set/map.yaml' -o '$work/e.h5'"
[ ! -e "$work/e.h5" ] || { echo "FAILED: half a cohort under its name"; failed=1; }
mkdir "$work/small"
if mount -t tmpfs -o size=1200k tmpfs "$work/small" 2> /dev/null; then
    for i in $(seq 5 30); do make_record "$work/set" "r$i" 500 10 "$work/sums"; echo "r$i,p$i,train,SR" >> "$work/set/labels.csv"; done
    expect 1 'disk_full' "$program" import --map "$work/set/map.yaml" -o "$work/small/e.h5"
    [ ! -e "$work/small/e.h5" ] || { echo "FAILED: half a cohort on a full disk"; failed=1; }
    mount -o remount,size=64m "$work/small"
    expect 0 '28 kept' "$program" import --map "$work/set/map.yaml" -o "$work/small/e.h5"
else
    echo "full disk: skipped, a tmpfs cannot be mounted here"
fi
if [ "$(id -u)" != 0 ]; then
    mkdir -m 500 "$work/closed"
    expect 1 'no_permission' "$program" import --map "$work/set/map.yaml" -o "$work/closed/e.h5"
fi
exit $failed
