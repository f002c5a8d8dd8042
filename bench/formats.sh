#!/usr/bin/env bash
# Reading speed of every format, one thread, on real files: MB of input and millions of samples a second, beside wfdb-python, pydicom, pyedflib,
# scipy, h5py and libbiosig in turn in the same run. Prints the Markdown table that stands in docs/performance.md.
# usage: bench/formats.sh [-t SECONDS_EACH] [-p PYTHON] [DATA_FOLDER]      PYTHON: of an environment with the peers (bench/peers/read_formats.py); none: no peers
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=1
python=
while getopts t:p: option; do
  case $option in
    t) seconds=$OPTARG ;;
    p) python=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
data=${1:-${SHINDEN_DATA:-../shared/data}}/formats
build/release/shinden --version >&2
files=("$data"/muse_xml/braveheart_example1.xml "$data"/philips_sierra_xml/demo_1_04.xml "$data"/philips_sierra_xml/129DYPRG_1_03.xml "$data"/hl7_aecg/example_aecg.xml
  "$data"/cardiosoft_xml/cardiosoft_example.xml "$data"/scp/Example.scp "$data"/scp/demo.scp "$data"/scp/0000050.scp "$data"/dicom/waveform_ecg.dcm "$data"/mfer/sample.mwf
  "$data"/edf/0000050.edf "$data"/edf/short_psg.bdf "$data"/mat/cpsc2018_A1988.mat "$data"/mat/code_15_1238362.mat "$data"/hdf5/exams_part_sample.hdf5#0
  "$data"/wfdb/s0010_re.hea "$data"/wfdb/v102s.hea "$data"/wfdb/flacformats.hea)
ours=$(mktemp)
theirs=$(mktemp)
made=$(mktemp -d)
trap 'rm -rf "$ours" "$theirs" "$made"' EXIT
# formats without a real file at hand, or with a small one only: the same real record written as such
build/release/shinden convert "$data"/wfdb/s0010_re.hea --to csv -o "$made" >/dev/null
build/release/shinden convert "$data"/wfdb/s0010_re.hea --to edf -o "$made" >/dev/null
build/release/bench/make_records "$data"/wfdb/s0010_re.hea "$made"
files+=("$made"/*.csv "$made"/*.edf "$made"/made.ecg "$made"/made.npy)
failed=0
for file in "${files[@]}"; do
  build/release/bench/read_records "$seconds" "$file" >>"$ours" || failed=1
  [ -z "$python" ] || "$python" bench/peers/read_formats.py "$seconds" "$file" >>"$theirs"
done
cpu=$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)
printf '%s, one thread, %s. Median of repeated reads from the page cache, %s s for each file; ratio: peer'"'"'s time over ours.\n\n' "$cpu" "$(build/release/shinden --version)" "$seconds"
printf '| file | format | input MB/s | Msamples/s | spread | peers (time over ours) |\n| --- | --- | --- | --- | --- | --- |\n'
while IFS=$'\t' read -r path format bytes samples median mbs msamples spread; do
  peers=$(awk -F'\t' -v p="$path" -v m="$median" '$1 == p { printf "%s%s %s: %.1f", (n++ ? ", " : ""), $2, $3, $4 / m }' "$theirs")
  printf '| %s | %s | %s | %s | %s | %s |\n' "$(basename "$path")" "$format" "$mbs" "$msamples" "$spread" "${peers:--}"
done <"$ours"
exit $failed
