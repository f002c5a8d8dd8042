#!/bin/bash
# shinden fetch where there is nothing to fetch from: it says so quickly, in one line, after the licence.
# (Whole downloads, against a server on 127.0.0.1: unit.fetch.)
set -u
program=$1
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
failed=0
expect() {
    local code=$1 text=$2; shift 2
    "$@" > "$work/out" 2> "$work/err"; local got=$?
    if [ "$got" != "$code" ] || ! cat "$work/out" "$work/err" | grep -qF -- "$text"; then
        echo "FAILED: $* -> exit $got (expected $code), wanted '$text' in:"; head -5 "$work/out" "$work/err"; failed=1
    fi
}
expect 0 'SHINDEN_FETCH_URL' "$program" fetch --help
expect 2 '--records 0' "$program" fetch --records 0
expect 2 '--jobs 99' "$program" fetch --jobs 99
expect 2 '--bogus' "$program" fetch --bogus
expect 2 "'mimic'" "$program" fetch mimic
expect 1 'not an http or https URL' "$program" fetch -o "$work/d" --base-url ftp://127.0.0.1/
start=$SECONDS
expect 1 'no connection' env SHINDEN_FETCH_URL=http://127.0.0.1:1/x "$program" fetch -o "$work/d"
grep -q 'CC BY 4.0' "$work/out" || { echo "FAILED: no licence on stdout"; failed=1; }
[ "$(wc -l < "$work/err")" = 1 ] || { echo "FAILED: more than one line of error"; cat "$work/err"; failed=1; }
[ $((SECONDS - start)) -le 5 ] || { echo "FAILED: took $((SECONDS - start)) s to find no connection"; failed=1; }
touch "$work/file"
expect 1 'not found' "$program" fetch -o "$work/file/d" --base-url http://127.0.0.1:1
[ $failed = 0 ] && echo "fetch: all as expected"
exit $failed
