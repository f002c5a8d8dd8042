#!/usr/bin/env bash
# shinden text encode as its users call it, on tiny random models: what is encoded, the settings in the file, kill -9 and resume, refusals.
set -euo pipefail
shinden=$(realpath "$1")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "text encode: $*"; exit 1; }
golden=$PWD/tests/golden/lm
# refused CODE WORDS COMMAND...: ends with CODE and one line that holds WORDS
refused() {
    local code=$1 words=$2 status=0
    shift 2
    "$@" > "$dir/out" 2> "$dir/err" || status=$?
    [ "$status" -eq "$code" ] || fail "$*: ended with $status, not $code: $(cat "$dir/err")"
    grep -qF -- "$words" "$dir/err" || fail "$*: no '$words' in: $(cat "$dir/err")"
}
header() { head -c "$(($(od -An -tu8 -N8 "$1") + 8))" "$1" | tail -c +9; }
has() { header "$1" | grep -qF -- "$2" || fail "$1 has no $2: $(header "$1" | head -c 600)"; }
lacks() { if header "$1" | grep -qF -- "$2"; then fail "$1 has $2"; fi; }

cat > "$dir/table.csv" <<'CSV'
id,name_en,name_ja,criterion_en,criterion_ja,scp
sinus_rhythm,sinus rhythm,洞調律,upright P,陽性P波,SR
heart_of_gold,gold,黄金,,,
CSV
encode() { "$shinden" text encode --model "$golden/$1" "${@:2}" > "$dir/out" 2> "$dir/err" || fail "$*: $(cat "$dir/err")"; }

# --labels: all forms by default, those chosen else
encode bert --labels "$dir/table.csv" -o "$dir/labels.safetensors"
for text in 'sinus rhythm' '洞調律' 'sinus rhythm: upright P' '洞調律：陽性P波' '\"SR\"' 'heart_of_gold' '黄金' 'no listed finding' '該当所見なし'; do has "$dir/labels.safetensors" "$text"; done
grep -q '^10 texts' "$dir/out" || fail "not ten texts: $(cat "$dir/out")"
encode bert --labels "$dir/table.csv" --forms name,code --language ja -o "$dir/ja.safetensors"
has "$dir/ja.safetensors" '洞調律'
has "$dir/ja.safetensors" '\"SR\"'
lacks "$dir/ja.safetensors" 'sinus rhythm'
lacks "$dir/ja.safetensors" '陽性'
encode bert --labels builtin --only scp --forms code -o "$dir/scp.safetensors"
grep -q '^73 texts' "$dir/out" || fail "71 statements and two texts for none: $(cat "$dir/out")"

# --lines: once each, NFC, without line ends
printf 'atrial fibrillation\r\n\nガ\nカ\xe3\x82\x99\natrial fibrillation\n' > "$dir/lines"
encode llama --lines "$dir/lines" --json -o "$dir/lines.safetensors"
grep -q '"texts": 2,' "$dir/out" || fail "not two texts: $(cat "$dir/out")"

# settings: defaults by kind, and what the user says
has "$dir/lines.safetensors" "ECG finding: "
has "$dir/lines.safetensors" '"pooling":"mean-label"'
has "$dir/lines.safetensors" '"centre"'
encode llama --lines "$dir/lines" --pooling last --prompt 'x: ' --no-center -o "$dir/set.safetensors"
has "$dir/set.safetensors" '"prompt":"x: "'
has "$dir/set.safetensors" '"pooling":"last"'
has "$dir/set.safetensors" '"centring":"none"'
encode qwen3_embedding/model.gguf --lines "$dir/lines" -o "$dir/embedding.safetensors"
has "$dir/embedding.safetensors" '"appended_token":"2"'
has "$dir/embedding.safetensors" '"pooling":"last"'
for model in llama llama/model.gguf; do encode $model --lines "$dir/lines" --no-center --prompt '' --threads 1 -o "$dir/${model//\//-}.safetensors"; done
encode quant/model.gguf --lines "$dir/lines" -o "$dir/quant.safetensors"

# --cohort: each finding's texts and every distinct record text, and training on joined texts finds them
"$shinden" simulate -n 60 --seed 3 -o "$dir/sim" > /dev/null
"$shinden" import --map "$dir/sim/mapping.yaml" -o "$dir/c.h5" --fs 100 > /dev/null 2>&1
encode bert --cohort "$dir/c.h5" -o "$dir/cohort.safetensors"
has "$dir/cohort.safetensors" 'no listed finding'
header "$dir/cohort.safetensors" | grep -q ', ' || fail "no joined record text"
"$shinden" train "$dir/c.h5" --loss clip --text "$dir/cohort.safetensors" --record-text joined --width 8 --blocks 1,1 --embed 16 --epochs 1 --batch-size 16 \
    -o "$dir/run" > /dev/null 2> "$dir/err" || fail "training on the joined texts: $(cat "$dir/err")"
"$shinden" train "$dir/c.h5" --loss clip --text "$dir/cohort.safetensors" --record-text joined --language ja --width 8 --blocks 1,1 --embed 16 --epochs 1 --batch-size 16 \
    -o "$dir/run-ja" > /dev/null 2> "$dir/err" || fail "training on the joined Japanese texts: $(cat "$dir/err")"

# a finding of the user's own (import --registry +FILE): its names and criterion reach the vectors, the training and the model, not its id
cp -r "$dir/sim" "$dir/own"
sed -i 's/atrial_fibrillation/heart_of_gold/g' "$dir/own/labels.csv" "$dir/own/mapping.yaml"
grep -q heart_of_gold "$dir/own/labels.csv" || fail "no record has the finding that is to be the user's"
printf 'id,name_en,name_ja,criterion_en,flags\nheart_of_gold,golden rhythm,黄金調律,it shines,urgent\n' > "$dir/own.csv"
"$shinden" import --map "$dir/own/mapping.yaml" -o "$dir/own.h5" --fs 100 --registry "+$dir/own.csv" > /dev/null 2> "$dir/err" || fail "import: $(cat "$dir/err")"
encode bert --cohort "$dir/own.h5" -o "$dir/own.safetensors"
for text in '"golden rhythm\"' '黄金調律' 'golden rhythm: it shines' '"heart_of_gold\"'; do has "$dir/own.safetensors" "$text"; done
header "$dir/own.safetensors" | grep -Eq 'golden rhythm, |, golden rhythm' || fail "no joined record text has the user's name"
header "$dir/own.safetensors" | grep -Eq 'heart_of_gold, |, heart_of_gold' && fail "a joined record text has the bare id"
encode bert --labels "+$dir/own.csv" --forms name -o "$dir/plus.safetensors"
train_own() { "$shinden" train "$dir/own.h5" --loss clip --width 8 --blocks 1,1 --embed 16 --epochs 1 --batch-size 16 "$@"; }
for language in en ja; do
    train_own --text "$dir/plus.safetensors" --language $language -o "$dir/own-$language" > /dev/null 2> "$dir/err" || fail "training on the user's names: $(cat "$dir/err")"
    "$shinden" model show "$dir/own-$language/model.safetensors" --json > "$dir/out"
    grep -A 7 '"id": "heart_of_gold"' "$dir/out" > "$dir/finding" || fail "the model lacks the user's finding"
    grep -q '"name_en": "golden rhythm"' "$dir/finding" || fail "its English name: $(cat "$dir/finding")"
    grep -q '"name_ja": "黄金調律"' "$dir/finding" || fail "its Japanese name: $(cat "$dir/finding")"
    text='golden rhythm'
    if [ $language = ja ]; then text=黄金調律; fi
    grep -q "\"text\": \"$text\"" "$dir/finding" || fail "its text: $(cat "$dir/finding")"
done
# the report's caption has the user's names, and an example is chosen by the user's flags
record=$(awk -F, 'index($7, "heart_of_gold") { print $1; exit }' "$dir/own/labels.csv")
"$shinden" eval "$dir/own-en/model.safetensors" "$dir/own.h5" --split train --bootstrap 0 --no-controls --json > "$dir/own.json" 2> "$dir/err" || fail "eval: $(cat "$dir/err")"
"$shinden" report --eval "own=$dir/own.json" --model "$dir/own-en/model.safetensors" --cohort "$dir/own.h5" --example "$dir/own/$record" --simulated -o "$dir/own.html" > /dev/null 2> "$dir/err" ||
    fail "report: $(cat "$dir/err")"
grep -q 'golden rhythm / 黄金調律' "$dir/own.html" || fail "the report's caption lacks the user's names"
printf 'id,name_en,name_ja,flags\nheart_of_gold,golden rhythm,黄金調律,ubiquitous\n' > "$dir/common.csv"
awk -F, -v OFS=, 'NR > 1 { $7 = $4 == "train" && !n++ ? "heart_of_gold" : $7 } { print }' "$dir/own/labels.csv" > "$dir/labels.part" && mv "$dir/labels.part" "$dir/own/labels.csv"
"$shinden" import --map "$dir/own/mapping.yaml" -o "$dir/common.h5" --fs 100 --registry "+$dir/common.csv" > /dev/null 2> "$dir/err" || fail "import: $(cat "$dir/err")"
"$shinden" import --map "$dir/own/mapping.yaml" -o "$dir/rare.h5" --fs 100 --registry "+$dir/own.csv" > /dev/null 2> "$dir/err" || fail "import: $(cat "$dir/err")"
[ "$("$shinden" report --example-record "$dir/common.h5" --split train --root "$dir/own")" != "$("$shinden" report --example-record "$dir/rare.h5" --split train --root "$dir/own")" ] ||
    fail "a finding that the user calls ubiquitous makes an example"
encode bert --labels builtin --forms name -o "$dir/builtin.safetensors"
refused 1 "'golden rhythm'" train_own --text "$dir/builtin.safetensors" -o "$dir/own-none"

# killed with SIGKILL at random times and started again: the bits of an uninterrupted run
for i in $(seq 1500); do echo "finding number $i with some words after it"; done > "$dir/many"
job=("$shinden" text encode --model "$golden/qwen3" --lines "$dir/many" --memory 16 --checkpoint-seconds 0)
start=$(date +%s%N)
"${job[@]}" -o "$dir/whole.safetensors" > /dev/null 2> "$dir/err" || fail "$(cat "$dir/err")"
ms=$(( ($(date +%s%N) - start) / 1000000 ))
RANDOM=${SEED:-7}
kills=0
tries=0
while [ "$kills" -lt "${KILLS:-3}" ] && [ "$tries" -lt 40 ]; do
    tries=$((tries + 1))
    "${job[@]}" -o "$dir/killed.safetensors" > "$dir/out" 2> "$dir/err" &
    pid=$!
    wait_ms=$(( RANDOM * ms / 32768 ))
    sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
    kill -9 "$pid" 2> /dev/null || true
    status=0
    wait "$pid" 2> /dev/null || status=$?
    if [ "$status" -eq 137 ]; then
        [ ! -e "$dir/killed.safetensors" ] || fail "an unfinished run left its output"
        [ -e "$dir/killed.safetensors.partial" ] && kills=$((kills + 1))
    elif [ "$status" -eq 0 ]; then
        cmp "$dir/whole.safetensors" "$dir/killed.safetensors" || fail "other bits after $kills kills"
        rm -f "$dir/killed.safetensors"
    else fail "$(cat "$dir/err")"
    fi
done
[ "$kills" -gt 0 ] || fail "no kill met a run at work"
rm -f "$dir/killed.safetensors"
had=no
if [ -e "$dir/killed.safetensors.partial" ]; then had=yes; fi
"${job[@]}" --json -o "$dir/killed.safetensors" > "$dir/out" 2> "$dir/err" || fail "$(cat "$dir/err")"
cmp "$dir/whole.safetensors" "$dir/killed.safetensors" || fail "other bits after $kills kills"
[ ! -e "$dir/killed.safetensors.partial" ] || fail "the partial file stays"
if [ "$had" = yes ]; then grep -q '"layer_passes_resumed": [1-9]' "$dir/out" || fail "nothing was taken up: $(cat "$dir/out")"; fi

# a partial file of another run, and refusals before any work
cp tests/must_fail/encode_state/other_run.safetensors "$dir/x.safetensors.partial"
refused 1 "remove the file" "$shinden" text encode --model "$golden/llama" --lines "$dir/lines" -o "$dir/x.safetensors"
rm "$dir/x.safetensors.partial"
refused 2 "needs one of" "$shinden" text encode --model "$golden/llama" -o "$dir/x.safetensors"
refused 2 "needs one of" "$shinden" text encode --model "$golden/llama" --lines "$dir/lines" --labels builtin -o "$dir/x.safetensors"
refused 2 "pooling 'max'" "$shinden" text encode --model "$golden/llama" --lines "$dir/lines" --pooling max -o "$dir/x.safetensors"
refused 2 "--forms 'names'" "$shinden" text encode --model "$golden/llama" --labels builtin --forms names -o "$dir/x.safetensors"
refused 2 "--language 'de'" "$shinden" text encode --model "$golden/llama" --labels builtin --language de -o "$dir/x.safetensors"
refused 2 "--only 'icd', must be one of id scp snomed cinc ludb minnesota code15 mitdb_rhythm mitdb_beat" "$shinden" text encode --model "$golden/llama" --labels builtin --only icd -o "$dir/x.safetensors"
"$shinden" text encode --help > "$dir/out"
grep -qF 'compiled-in one, +FILE.csv' "$dir/out" || fail "--labels in the help has no +FILE"
only=$(grep -A1 -e '--only CODING' "$dir/out")
for coding in id scp snomed cinc ludb minnesota code15 mitdb_rhythm mitdb_beat; do
    grep -qw "$coding" <<< "${only#*in }" || fail "--only in the help has no $coding"
    encode bert --labels builtin --only $coding --forms code --language en -o "$dir/only.safetensors"
done
refused 2 "go with --labels" "$shinden" text encode --model "$golden/llama" --lines "$dir/lines" --forms name -o "$dir/x.safetensors"
refused 1 "not found" "$shinden" text encode --model "$golden/none" --lines "$dir/lines" -o "$dir/x.safetensors"
mkdir "$dir/no-shard"
cp "$golden/llama/config.json" "$golden/llama/tokenizer.json" "$dir/no-shard/"
refused 1 "no-shard" "$shinden" text encode --model "$dir/no-shard" --lines "$dir/lines" -o "$dir/x.safetensors"
refused 2 "must be own or llama" "$shinden" text encode --model "$golden/llama" --lines "$dir/lines" --provider other -o "$dir/x.safetensors"

# one shard of two, a tokenizer of another model, a file cut short: before any work, by name
mkdir "$dir/shards" "$dir/other"
cp tests/golden/tiny/llama/{config.json,model.safetensors.index.json,model-00001-of-00002.safetensors} "$golden/llama/tokenizer.json" "$dir/shards/"
refused 1 "model-00002-of-00002.safetensors: not found" "$shinden" text encode --model "$dir/shards" --lines "$dir/lines" -o "$dir/x.safetensors"
cp "$golden/llama/"{config.json,model.safetensors} "$dir/other/"
cp tests/golden/tokens_small_bert.json "$dir/other/tokenizer.json"
refused 1 "they do not belong together" "$shinden" text encode --model "$dir/other" --lines "$dir/lines" -o "$dir/x.safetensors"
head -c 100000 "$golden/llama/model.gguf" > "$dir/cut.gguf"
refused 1 "it is cut off" "$shinden" text encode --model "$dir/cut.gguf" --lines "$dir/lines" -o "$dir/x.safetensors"

# a model larger than the address space: told apart from missing memory. A sanitizer needs all of it for itself.
if (ulimit -v 8000000 && "$shinden" --version) > /dev/null 2>&1; then
    cp "$golden/llama/model.gguf" "$dir/big.gguf"
    truncate -s 16G "$dir/big.gguf"                                         # sparse
    limited() { (ulimit -v 8000000 && "$@"); }
    refused 1 "do not fit the address space" limited "$shinden" text encode --model "$dir/big.gguf" --lines "$dir/lines" -o "$dir/x.safetensors"
else echo "the address space is not limited: this program needs more than 8 GB of it (sanitizer)"; fi

# a disk too small for the state file
mkdir "$dir/small"
if mount -t tmpfs -o size=64k tmpfs "$dir/small" 2> /dev/null; then
    trap 'umount "$dir/small"; rm -rf "$dir"' EXIT
    refused 1 "are free; free some" "$shinden" text encode --model "$golden/qwen3" --lines "$dir/many" -o "$dir/small/x.safetensors"
    [ -z "$(ls -A "$dir/small")" ] || fail "a refused run left $(ls "$dir/small")"
else echo "no small disk was tried: mounting one needs root"; fi

head -n 300 "$dir/many" > "$dir/fewer"
# the other provider: the same texts and settings, and it can be stopped and gone on with; or the program says that it has none
status=0
"$shinden" text encode --provider llama --model "$golden/llama/model.gguf" --lines "$dir/fewer" --no-center -o "$dir/llama.safetensors" > "$dir/out" 2> "$dir/err" || status=$?
if grep -q 'built without libllama' "$dir/err"; then
    [ "$status" -eq 1 ] || fail "no libllama: ended with $status"
    echo "provider llama: built without it, and says so"
else
    [ "$status" -eq 0 ] || fail "provider llama: $(cat "$dir/err")"
    has "$dir/llama.safetensors" '"provider":"llama"'
    [ ! -s "$dir/err" ] || fail "libllama speaks for itself: $(cat "$dir/err")"
    job=("$shinden" text encode --provider llama --model "$golden/llama/model.gguf" --lines "$dir/fewer" --no-center --checkpoint-seconds 0 -o "$dir/again.safetensors")
    "${job[@]}" > /dev/null 2>&1 &
    pid=$!
    for _ in $(seq 500); do [ -e "$dir/again.safetensors.partial" ] && break; sleep 0.002; done
    kill -9 "$pid" 2> /dev/null || true
    wait "$pid" 2> /dev/null || true
    "${job[@]}" > "$dir/out" 2> "$dir/err" || fail "provider llama, again: $(cat "$dir/err")"
    [ ! -e "$dir/again.safetensors.partial" ] || fail "the partial file stays"
fi
[ ! -e "$dir/x.safetensors" ] || fail "a refused run left an output"
echo "text encode: all as expected ($kills kills)"
