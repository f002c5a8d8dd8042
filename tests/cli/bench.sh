# `shinden bench`: rows as JSON, fractions beside them, and a peer's best line as ratio. $1 is the program.
set -eu
program=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$program" bench --help | grep -q -- --peer
"$program" bench --quick --only latency_12x4992 --json > "$folder/a.json"
for key in schema_version research_use_only '"name": "peak_f32"' '"name": "memory_read"' '"name": "latency_12x4992"' '"peer": null' '"ratio": null'; do
    grep -q "$key" "$folder/a.json" || { echo "no $key in the rows"; exit 1; }
done

"$program" bench --quick --threads 2 --only text_ --json > "$folder/t.json"
for row in text_tokens_bpe text_encode_512x4; do grep -q "\"name\": \"$row\"" "$folder/t.json" || { echo "no row $row"; exit 1; }; done

# the bank of sentences is asked once, not for every record: opening it costs ten records
"$program" bench --quick --only predict_ --json > "$folder/p.json"
value() { awk -v row="\"$1\"" '/"name":/ { found = index($0, row) } /"value":/ && found { sub(/.*"value": */, ""); sub(/,.*/, ""); print; exit }' "$folder/p.json"; }
awk -v class="$(value predict_12x1000_class)" -v joint="$(value predict_12x1000_joint_585)" 'BEGIN { exit !(class > 0 && joint > 0 && joint < 2 * class) }' ||
    { cat "$folder/p.json"; echo "joint takes twice as long as class"; exit 1; }

"$program" bench --quick --only cuda_latency > "$folder/t.txt"
grep -q "^no rows of a GPU: " "$folder/t.txt" || grep -q cuda_latency "$folder/t.txt" || { echo "bench does not say what it lacks of a GPU"; exit 1; }

"$program" bench --explain > "$folder/e.txt"
for line in "^layer4.1.conv2.weight .* length 156 .*F(" "^conv1.weight .*oneDNN"; do grep -q "$line" "$folder/e.txt" || { echo "--explain: no $line"; exit 1; }; done
grep -q "F(6,3)" "$folder/e.txt" || { echo "--explain: the default has no F(6,3)"; exit 1; }
"$program" bench --explain --winograd 0 > "$folder/direct.txt"
if grep -q "F(" "$folder/direct.txt"; then echo "Winograd where none was allowed"; exit 1; fi
"$program" bench --explain --json > "$folder/e.json"
grep -q '"kernels"' "$folder/e.json" || { echo "--explain --json: no kernels"; exit 1; }
status=0; "$program" bench --explain --threads 1 2> /dev/null || status=$?
[ $status = 2 ] || { echo "--explain --threads gave $status"; exit 1; }
"$program" bench --threads 1 --only 64x64_k3_s1_weights_direct --json > "$folder/k.json"
[ "$(grep -c '"name": "conv_64x64_k3_s1_weights_direct"' "$folder/k.json")" = 1 ] || { echo "--only with a piece of a kernel's row found none"; exit 1; }
status=0; "$program" bench --explain --winograd 3 2> "$folder/err" || status=$?
[ $status = 1 ] && grep -q "6, 4, 2 or 0" "$folder/err" || { echo "tiles of 3 gave $status"; exit 1; }

# a peer of two variants: the faster one counts, another row's line does not
cat > "$folder/peer" <<'PEER'
#!/bin/sh
[ "$3" = --rows ] || exit 3     # --threads N --rows NAME
echo "{\"name\": \"$4\", \"value\": 0.25, \"peer\": \"slow\", \"peer_version\": \"1\"}"
echo "{\"name\": \"$4\", \"value\": 0.5, \"peer\": \"fast\", \"peer_version\": \"2\"}"
echo "{\"name\": \"another\", \"value\": 900, \"peer\": \"other\", \"peer_version\": \"3\"}"
echo "a line that is no JSON"
PEER
chmod +x "$folder/peer"
"$program" bench --quick --threads 1 --only train_12x250 --json --peer "$folder/peer" > "$folder/b.json"
grep -q '"peer": "fast"' "$folder/b.json"
grep -q '"peer_version": "2"' "$folder/b.json"

if "$program" bench --quick --threads 1 --only train_12x250 --peer false > "$folder/out" 2> "$folder/err"; then echo "a failing peer passed"; exit 1; fi
grep -q "run it alone" "$folder/err"
status=0; "$program" bench --quiet 2> /dev/null || status=$?
[ $status = 2 ] || { echo "unknown flag gave $status"; exit 1; }
status=0; "$program" bench --quick --isa neon 2> "$folder/err" || status=$?
[ $status = 1 ] || { echo "--isa neon gave $status"; exit 1; }
grep -q neon "$folder/err" || { echo "--isa neon: not named"; exit 1; }
echo "bench: rows, peer and refusals as documented"
