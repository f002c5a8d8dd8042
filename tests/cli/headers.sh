#!/usr/bin/env bash
# Each public header stands alone: as C17 and as C++17, without warnings, whatever was included before.
set -euo pipefail
cc=${CC:-cc} cxx=${CXX:-c++}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0 bad=0
for header in include/shinden/*.h; do
  name=shinden/$(basename "$header")
  # twice, so that a missing include guard shows
  printf '#include "%s"\n#include "%s"\nint unused_%d;\n' "$name" "$name" "$n" >"$work/alone.c"
  cp "$work/alone.c" "$work/alone.cc"
  "$cc" -std=c17 -Wall -Wextra -Wstrict-prototypes -Werror -Iinclude -fsyntax-only "$work/alone.c" || { echo "headers: $name does not compile alone as C17"; bad=1; }
  "$cxx" -std=c++17 -Wall -Wextra -Werror -Iinclude -fsyntax-only "$work/alone.cc" || { echo "headers: $name does not compile alone as C++17"; bad=1; }
  if grep -En '^#include "(base|compute|signal|formats|labels|text|data|simulate|model|engine|train|eval|report|cli)/' "$header"; then
    echo "headers: $name includes a private header"
    bad=1
  fi
  n=$((n + 1))
done
[ "$n" -ge 20 ] || { echo "headers: only $n headers found, is this the repository's root?"; exit 1; }
# the test itself must be able to fail
printf '#include "shinden/record.h"\nshn_no_such_type x;\n' >"$work/broken.c"
! "$cc" -std=c17 -Iinclude -fsyntax-only "$work/broken.c" 2>/dev/null || { echo "headers: the compiler accepts anything"; exit 1; }
[ "$bad" -eq 0 ]
echo "$n headers compile alone as C17 and C++17"
