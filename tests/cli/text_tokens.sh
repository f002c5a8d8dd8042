#!/bin/bash
# shinden text tokens as its users call it: ids, special tokens, byte ranges, and how it ends.
set -u
program=$1
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
failed=0
golden=tests/golden

# expect CODE TEXT STDIN COMMAND...: exit code, a piece of what is printed
expect() {
    local code=$1 text=$2 input=$3; shift 3
    printf "$input" | "$@" > "$work/out" 2>&1; local got=$?
    if [ "$got" != "$code" ] || ! grep -qF -- "$text" "$work/out"; then
        echo "FAILED: $* -> exit $got (expected $code), wanted '$text' in:"; head -5 "$work/out"; failed=1
    fi
}

mkdir "$work/bert"; cp $golden/tokens_small_bert.json "$work/bert/tokenizer.json"
expect 0 'shinden text tokens --model' '' "$program" text tokens --help
expect 0 'tokens' '' "$program" text --help
expect 0 '[2,3]' '\n' "$program" text tokens --model "$work/bert"
expect 0 '[]' '\n' "$program" text tokens --model "$work/bert" --special none
expect 0 '[[2,0,0],' 'ECG' "$program" text tokens --model "$work/bert" --pieces
expect 1 'line 2' 'ok\na\000b\n' "$program" text tokens --model "$work/bert"
expect 1 'line 1' '\377\n' "$program" text tokens --model "$work/bert"
expect 1 "$work/none/tokenizer.json: not found" '' "$program" text tokens --model "$work/none/tokenizer.json"
expect 1 "$work/tokenizer.json: not found" '' "$program" text tokens --model "$work"
expect 1 'unknown_model.json: model' '' "$program" text tokens --model tests/must_fail/tokenizer_json/unknown_model.json
expect 2 'needs --model' '' "$program" text tokens
expect 2 '--special all' '' "$program" text tokens --model x --special all
expect 2 "no 'token'" '' "$program" text token
expect 2 'say what' '' "$program" text

# the golden lines without line ends, against their ids
paste -d '\t' <(grep -v '^#' $golden/tokens_lines.txt) <(grep -v '^#' $golden/tokens_small_qwen3.ids) | grep -v '\\' | awk -F '\t' '$2 != "-"' > "$work/table"
cut -f 1 "$work/table" | sed 's/^"//; s/"$//' > "$work/lines"
cut -f 2 "$work/table" | sed 's/ /,/g; s/^/[/; s/$/]/' > "$work/want"
"$program" text tokens --model $golden/tokens_small_qwen3.json < "$work/lines" > "$work/got" || failed=1
cmp "$work/want" "$work/got" || { echo "FAILED: ids of the golden lines"; failed=1; }
n=$(wc -l < "$work/got"); [ "$n" -ge 400 ] || { echo "FAILED: only $n lines"; failed=1; }

# a full disk is found
if [ -w /dev/full ]; then
    "$program" text tokens --model "$work/bert" < "$work/lines" > /dev/full 2> "$work/out" && { echo "FAILED: a full disk is no success"; failed=1; }
fi
[ $failed = 0 ] && echo "text tokens: all as expected"
exit $failed
