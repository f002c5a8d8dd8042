#!/usr/bin/env bash
# Who includes whom, as docs/architecture.md draws it: a folder of src/ may include itself and the rooms named here, by private
# header (room/x.h) or public one (shinden/x.h, which belongs to a room). And libraries that belong to one folder stay there.
set -euo pipefail
[ -d src/base ] || { echo "layers: run from the repository's root"; exit 1; }

# room -> rooms below it that it may use (written out in full: nothing is inherited)
declare -A may=(
  [base]=""
  [signal]="base"
  [formats]="base signal"
  [labels]="base"
  [compute]="base"
  [text]="base compute"
  [model]="base"
  [engine]="base compute model"
  [data]="base signal formats labels model"
  [simulate]="base signal formats labels"
  [train]="base signal formats labels text model engine data"
  [eval]="base signal formats labels text model engine data"
  [report]="base signal eval"
  [experiment]="base signal labels text model engine data train eval report"
  [cli]="base signal formats labels compute text model engine data simulate train eval report experiment"
)
# public header -> its room
declare -A room=(
  [status]=base [progress]=base [group]=base
  [record]=signal [signal]=signal
  [format]=formats [wfdb]=formats [annotation]=formats [deidentify]=formats [check]=formats [convert]=formats
  [findings]=labels [text]=text [tokenizer]=text [encode]=text [sentences]=text
  [encoder]=model [model]=model [crop]=model [engine]=engine
  [cohort]=data [import]=data [fetch]=data [embed]=data      # embed.h: the windows are data's, what is done with them eval's
  [simulate]=simulate
  [loss]=train [train]=train [pretrain]=train
  [metrics]=eval [eval]=eval [predict]=eval [phrase]=eval
  [plot]=report [report]=report
  [experiment]=experiment
)
# check ROOT: prints one line per include that points the wrong way
check() {
  local root=$1 file line folder target header
  while IFS=: read -r file line; do
    folder=${file#"$root"/}
    folder=${folder%%/*}
    target=${line#*[\"<]}
    target=${target%%[\">]*}
    case $target in
      shinden/*.h)
        header=${target#shinden/}
        header=${header%.h}
        if [ -z "${room[$header]:-}" ]; then
          echo "$file: $target belongs to no room; name it in tests/cli/layers.sh"
          continue
        fi
        target=${room[$header]} ;;
      */*.h)
        target=${target%%/*}
        [ -n "${may[$target]+x}" ] || continue ;;
      *) continue ;;
    esac
    if [ -z "${may[$folder]+x}" ]; then
      echo "$file: the folder src/$folder is not in the plan; name it in tests/cli/layers.sh and docs/architecture.md"
    elif [ "$target" != "$folder" ] && [[ " ${may[$folder]} " != *" $target "* ]]; then
      echo "$file: $folder may not include $target (${line#*#})"
    fi
  done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]+["<][^">]+\.h[">]' "$root" --include='*.c' --include='*.h' | sed -E 's/^([^:]+):[0-9]+:/\1:/')
}

# one_folder ROOT PATTERN FOLDER...: prints includes of PATTERN outside the folders
one_folder() {
  local root=$1 pattern=$2 folder hits
  shift 2
  hits=$(grep -rnE "^[[:space:]]*#[[:space:]]*include[[:space:]]+[\"<]($pattern)" "$root" --include='*.c' --include='*.h' || true)
  for folder in "$@"; do hits=$(grep -v "^$root/$folder" <<<"$hits" || true); done
  [ -z "$hits" ] || printf '%s\n' "$hits" | sed "s|\$|   belongs in $* only|"
}

all() {
  check "$1"
  one_folder "$1" '(oneapi/dnnl/)?dnnl' compute/
  one_folder "$1" 'hdf5' base/
  one_folder "$1" 'openssl/' base/
  one_folder "$1" '(cairo|pango)' report/
  one_folder "$1" 'matio' formats/matlab/
  one_folder "$1" 'curl/' data/
  one_folder "$1" 'libxml/' formats/xml/
  one_folder "$1" 'FLAC/' formats/wfdb/
  one_folder "$1" 'llama[.]h' text/provider_llama.c
  one_folder "$1" 'mpi[.]h' base/group_mpi.c
  one_folder "$1" '(cuda_runtime|cudnn[.]h|cublas|nccl)' engine/cuda/
}

found=$(all src)
if [ -n "$found" ]; then
  printf '%s\n' "$found"
  echo "layers: $(wc -l <<<"$found") includes point the wrong way"
  exit 1
fi
# public headers, too, never include private ones (tests/cli/headers.sh) nor a library
if grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]+["<](hdf5|oneapi|dnnl|openssl|cairo|curl|jansson|yaml|libxml|FLAC|mpi[.]h|llama[.]h|cud|cublas)' include/shinden/*.h; then
  echo "layers: a public header names a library"
  exit 1
fi

# the test must be able to fail: a made tree with one fault of each kind
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{base,engine,data}
echo '#include "shinden/record.h"' >"$work/base/a.c"
echo '#include "data/cohort_fields.h"' >"$work/engine/b.c"
echo '#include <hdf5.h>' >"$work/data/c.c"
echo '#  include <oneapi/dnnl/dnnl.h>' >"$work/engine/d.c"
echo '#include "shinden/unheard_of.h"' >"$work/data/e.c"
echo '#include <libxml/tree.h>' >"$work/data/f.c"
echo '#include <llama.h>' >"$work/engine/g.c"
echo '#include <cudnn.h>' >"$work/engine/h.c"
made=$(all "$work" | wc -l)
[ "$made" -eq 8 ] || { echo "layers: found $made of 8 planted faults"; exit 1; }
echo "$(find src -name '*.[ch]' | wc -l) files include what they may"
