#!/bin/bash
# shinden labels as its users call it: what it prints, and how it ends.
set -u
program=$1
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
failed=0

# expect CODE TEXT COMMAND...: the exit code and a piece of what is printed (stdout and stderr together)
expect() {
    local code=$1 text=$2; shift 2
    "$@" > "$work/out" 2>&1; local got=$?
    if [ "$got" != "$code" ] || ! grep -qF -- "$text" "$work/out"; then
        echo "FAILED: $* -> exit $got (expected $code), wanted '$text' in:"; head -5 "$work/out"; failed=1
    fi
}

expect 0 'shinden labels map --coding scp AFIB' "$program" labels --help
expect 0 'atrial_fibrillation' "$program" labels list
expect 0 '心室細動' "$program" labels list --urgent
"$program" labels list --urgent | grep -q '^sinus_rhythm' && { echo "FAILED: sinus rhythm is not urgent"; failed=1; }
expect 0 'first_degree_av_block' "$program" labels search 房室ブロック
expect 1 'no finding matches' "$program" labels search zzz
expect 0 'left_anterior_fascicular_block' "$program" labels map --coding scp LAFB
expect 1 'no finding' "$program" labels map --coding scp AFIB XYZ
expect 0 '"id": "right_bundle_branch_block"' "$program" labels map --coding snomed 59118001 --json
expect 0 '"research_use_only": true' "$program" labels list --json
expect 2 '--coding icd' "$program" labels map --coding icd I48
expect 2 'map needs --coding' "$program" labels map AFIB
expect 2 "no 'lst'" "$program" labels lst
expect 2 '--jsn' "$program" labels list --jsn
expect 2 'say list' "$program" labels

# what would be passed over silently is a usage error
expect 2 "list takes no 'extra'" "$program" labels list extra
expect 2 "check --table takes no 'other.csv'" "$program" labels check --table t.csv --column a --coding scp other.csv
expect 2 'not both' "$program" labels check --table t.csv --column a --coding scp --data "$work"
printf 'id,name_en,name_ja\nours,O,我\n' > "$work/a.csv"
expect 2 'check takes one registry file' "$program" labels check --registry "$work/a.csv" b.csv
expect 2 'check takes one registry file' "$program" labels check "$work/a.csv" b.csv
expect 2 'go with --table' "$program" labels check --column a --coding scp

expect 0 'first_degree_av_block' "$program" labels map --coding code15 1dAVb
expect 0 'ventricular_tachycardia' "$program" labels map --coding mitdb_rhythm '(VT'
expect 1 'N                no finding' "$program" labels map --coding mitdb_beat V N
expect 0 'complete_left_bundle_branch_block' "$program" labels search 7-1-1
expect 0 '"minnesota": [' "$program" labels map --coding minnesota 6-1 --json
expect 0 'conduction_disturbance' "$program" labels list --unchecked
"$program" labels list --unchecked | grep -q '^sinus_rhythm ' && { echo "FAILED: sinus rhythm's name is from a table"; failed=1; }
expect 0 'built-in registry: 224 findings' "$program" labels check
expect 0 'malformed: 0, standing twice: 0' "$program" labels check
unchecked=$("$program" labels check | sed -n 's/.*nobody has checked: \([0-9]*\) .*/\1/p')
grep -qF " $unchecked names are marked \`unchecked\`" docs/findings.md || { echo "FAILED: docs/findings.md does not say that $unchecked names are unchecked"; failed=1; }
expect 0 '"sound": true' "$program" labels check --json
expect 1 'none of the data sets' "$program" labels check --data "$work"
data=${SHINDEN_DATA:-../shared/data}
if [ -d "$data/mitdb" ]; then
    expect 0 "52472  mitdb: 'N' stands for no finding: a normal beat" "$program" labels check --data "$data"
    expect 0 'ptbxl                                      1510 records    4191 labels,  66 words with a finding, 0 without' "$program" labels check --data "$data"
    expect 0 '3  first_degree_av_block' "$program" labels check --table "$data/formats/mat/code15_labels.csv" --columns 1dAVb,RBBB,LBBB,SB,ST,AF --coding code15
    expect 0 'vocab/ptbxl_scp_statements.csv               71 records      71 labels,  71 words with a finding, 0 without' "$program" labels check --data "$data"
    expect 0 'edf/test_edfann.edf: no_ecg_lead: ' "$program" labels check --data "$data"        # told, but no fault in formats/
    mkdir -p "$work/sets/ludb" && sed 's/Sinus rhythm/Sinus rhytm/g' "$data/ludb/labels.csv" > "$work/sets/ludb/labels.csv"
    expect 1 "ludb: 'Rhythm: Sinus rhytm' is not known to the registry" "$program" labels check --data "$work/sets"
else
    echo "labels: the real sets are absent, their labels are not checked"
fi

# labels that are not UTF-8: counted and shown, with U+FFFD for what is no character
mkdir -p "$work/latin/mitdb"
printf '100 1 360 3600\n100.dat 16 200 16 0 0 0 0 MLII\n' > "$work/latin/mitdb/100.hea"
printf '\x14\x70\x03\xfc(\xe9X\x00\x00\x00' > "$work/latin/mitdb/100.atr"          # a rhythm at sample 20, its text "(\xe9X"
expect 1 "1  mitdb: '�X' is not known to the registry" "$program" labels check --data "$work/latin"
expect 1 '"label": "�X"' "$program" labels check --data "$work/latin" --json

# records whose labels cannot be read are told and make the check fail; so does a set of which nothing was read
cp "$work/latin/mitdb/100.hea" "$work/latin/mitdb/101.hea"
printf '\x14\x70\x05\xfc(AFIB\x00\x00\x00' > "$work/latin/mitdb/100.atr"
expect 1 '1 records       1 labels,   1 words with a finding, 0 without; 1 refused, the first 101.hea: not_found: ' "$program" labels check --data "$work/latin"
expect 1 'NOT sound' "$program" labels check --data "$work/latin"
expect 1 '"n_refused": 1,' "$program" labels check --data "$work/latin" --json
expect 1 '"first_refused": "101.hea: not_found: ' "$program" labels check --data "$work/latin" --json
rm "$work/latin/mitdb/101.hea"
expect 0 '"first_refused": null' "$program" labels check --data "$work/latin" --json
rm "$work/latin/mitdb/100.atr"
expect 1 '0 without; 1 refused, the first 100.hea: not_found: ' "$program" labels check --data "$work/latin"
expect 1 '; no record was read' "$program" labels check --data "$work/latin"
mkdir -p "$work/none/vocab"
printf 'SNOMEDCTCode\n' > "$work/none/vocab/cinc2021_dx_mapping_scored.csv"
expect 1 'cinc2021_dx_mapping_scored.csv          0 records       0 labels,   0 words with a finding, 0 without; no record was read' "$program" labels check --data "$work/none"

printf 'rec;dx\n1;"AFIB, LAFB"\n2;NOPE\n3;AFIB,NOPE\n' > "$work/t.csv"
expect 1 "2  no finding for 'NOPE'" "$program" labels check --table "$work/t.csv" --delimiter ';' --column dx --coding scp --split ,
expect 1 '2  atrial_fibrillation' "$program" labels check --table "$work/t.csv" --delimiter ';' --column dx --coding scp --split ,
expect 1 "$work/t.csv: line 1: no column 'diag'; there are: rec, dx" "$program" labels check --table "$work/t.csv" --delimiter ';' --column diag --coding scp
printf 'rec,AF,SB\n1, True ,0\n2,1.0,\n3,false,-1\n4,nan,0\n' > "$work/bits.csv"          # as an import reads yes and no
expect 0 '2  atrial_fibrillation' "$program" labels check --table "$work/bits.csv" --columns AF,SB --coding code15
expect 0 '4 rows, 1 findings, 0 labels' "$program" labels check --table "$work/bits.csv" --columns AF,SB --coding code15
printf 'rec,AF,SB\n1,1,0\n2,0,yes\n' > "$work/bits.csv"
expect 1 "$work/bits.csv: line 3, column 'SB': 'yes' is neither 0 nor 1" "$program" labels check --table "$work/bits.csv" --columns AF,SB --coding code15
for none in '' , AF, ,AF AF,,SB; do expect 2 "--columns '$none': name columns" "$program" labels check --table "$work/bits.csv" --columns "$none" --coding code15; done

printf 'id,name_en,name_ja,parents\na,A,あ,b\n' > "$work/r.csv"
expect 1 "$work/r.csv: line 2, column 'parents': 'b' is no finding" "$program" labels check "$work/r.csv"
expect 1 "$work/r.csv: line 2" "$program" labels list --registry "$work/r.csv"
printf 'id,name_en,name_ja\natrial_fibrillation,AF,心房細動\nours,O,我\n' > "$work/r.csv"
expect 0 '2 findings' "$program" labels check "$work/r.csv"
expect 0 '1 of their ids' "$program" labels check "$work/r.csv"
expect 0 'ours' "$program" labels list --registry "$work/r.csv"
printf 'id,name_en,name_ja,parents\nours,O,我,atrial_fibrillation\n' > "$work/more.csv"
expect 0 '225 findings' "$program" labels check "+$work/more.csv"
expect 0 'ours' "$program" labels list --registry "+$work/more.csv"
printf 'id,name_en,name_ja\natrial_fibrillation,AF,心房細動\n' > "$work/more.csv"
expect 1 "in the built-in registry" "$program" labels check "+$work/more.csv"
printf 'id,name_en,name_ja\n' > "$work/more.csv"
for table in "$work/more.csv" "+$work/more.csv"; do expect 1 "$work/more.csv: no rows below the header; a table needs one finding at least" "$program" labels check "$table"; done
expect 1 "'+' needs the name of a table behind it" "$program" labels check +
expect 1 'not found' "$program" labels check "$work/none.csv"
[ $failed = 0 ] && echo "labels: all as expected"
exit $failed
