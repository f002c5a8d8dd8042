#!/usr/bin/env bash
# Installs into a fresh prefix, compiles examples/predict.c with nothing but pkg-config's flags, and runs it.
set -euo pipefail
program=$(realpath "$1")
build=$(dirname "$program")
cc=${CC:-cc}
if grep -q '^SHINDEN_SANITIZE:[A-Z]*=..*' "$build/CMakeCache.txt"; then
  echo "skipped: a sanitizer build is not for installing"
  exit 77
fi
if grep -q '^CMAKE_TOOLCHAIN_FILE:' "$build/CMakeCache.txt"; then
  echo "skipped: a cross build is not for this machine's compiler"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "install: $*"; exit 1; }

cmake --install "$build" --prefix "$work/prefix" >"$work/log" 2>&1 || { cat "$work/log"; fail "cmake --install failed"; }
for file in bin/shinden include/shinden/record.h include/shinden/predict.h; do
  [ -e "$work/prefix/$file" ] || fail "no $file"
done
[ "$(cd "$work/prefix/include/shinden" && ls | wc -l)" = "$(ls include/shinden/*.h | wc -l)" ] || fail "not all public headers are installed"
find "$work/prefix" -name 'heart.h' -o -name 'alloc.h' | grep . && fail "private headers are installed"
find "$work/prefix" -name LICENSE | grep -q . || fail "no LICENSE"
"$work/prefix/bin/shinden" --version | grep -q '^shinden [0-9]' || fail "the installed program does not start"

# a moved tree must work too: nothing may point back to the build or the first prefix
mv "$work/prefix" "$work/moved"
pc=$(find "$work/moved" -name shinden.pc)
[ -n "$pc" ] || fail "no shinden.pc"
export PKG_CONFIG_PATH=${pc%/*}${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}      # what shinden requires may lie in the builder's own place
flags=$(pkg-config --cflags --libs shinden) || fail "pkg-config does not find shinden or what it requires"
grep -qF "$PWD" <<<"$flags" && fail "pkg-config names the source tree: $flags"
# shellcheck disable=SC2086
(cd "$work" && "$cc" -std=c17 -Wall -Wextra -Werror "$OLDPWD/examples/predict.c" $flags -o predict) || fail "the example does not compile"

set +e
"$work/predict" >/dev/null 2>"$work/err"
[ $? = 2 ] || fail "the example without arguments does not end with 2"
"$work/predict" "$work/none.safetensors" "$work/none.hea" 2>"$work/err"
[ $? = 1 ] || fail "the example with a missing model does not end with 1"
grep -qF "none.safetensors" "$work/err" || fail "the example's error does not name the file: $(cat "$work/err")"
set -e

# a whole round with the installed program: a small model, and the example reads an ECG with it
shinden="$work/moved/bin/shinden"
"$shinden" simulate -n 200 --seed 5 --fs 100 -o "$work/sim" >"$work/log" 2>&1 || { cat "$work/log"; fail "simulate"; }
"$shinden" import --map "$work/sim/mapping.yaml" "$work/sim" --simulated -o "$work/sim.h5" >"$work/log" 2>&1 || { cat "$work/log"; fail "import"; }
"$shinden" train "$work/sim.h5" --loss bce --epochs 1 --seed 1 -o "$work/run" >"$work/log" 2>&1 || { cat "$work/log"; fail "train"; }
"$work/predict" "$work/run/model.safetensors" "$work/sim/records/000/sim5_000000.hea" >"$work/out" 2>&1 || { cat "$work/out"; fail "the example does not predict"; }
[ "$(grep -c ' %  ' "$work/out")" = 5 ] || { cat "$work/out"; fail "the example does not print five findings"; }
grep -q 'not a medical device' "$work/out" || fail "the example does not say what it is not"
echo "installed, moved, compiled against, and run"
