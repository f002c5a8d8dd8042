#!/usr/bin/env bash
# Installs what building and running Shinden needs on Debian 12 or 13, and says what. Needs root or sudo, and apt.
# usage: ./setup.sh [--fuzz] [--mpi] [--no-avx] [--arm64]
#   --fuzz    also clang, for the fuzz targets
#   --mpi     also Open MPI, for the preset mpi
#   --no-avx  also the emulator of tests/no_avx.sh
#   --arm64   also a cross compiler, an emulator, and the same libraries for arm64, unpacked in build/arm64-root and nowhere else
set -euo pipefail
cd "$(dirname "$0")"

tools=(gcc g++ cmake ninja-build pkg-config)
libraries=(
  libdnnl-dev             # oneDNN: convolutions
  libhdf5-dev             # cohort files
  libmatio-dev            # MATLAB ECGs
  libjansson-dev          # JSON
  libyaml-dev             # mapping and configuration files
  libssl-dev              # SHA-256
  libutf8proc-dev         # Unicode normalisation of label texts
  libcurl4-openssl-dev    # shinden fetch
  libcairo2-dev libpango1.0-dev fonts-ipafont-gothic # ECG paper with Japanese text
  libxml2-dev             # ECG files in XML
  libflac-dev             # WFDB signal files in FLAC
  libcmocka-dev           # unit tests
)
arm64=0
for argument in "$@"; do
  case $argument in
    --mpi) tools+=(libopenmpi-dev openmpi-bin) ;;
    --fuzz) tools+=(clang libclang-rt-14-dev) ;;
    --no-avx) tools+=(qemu-user-static) ;;
    --arm64) arm64=1 tools+=(gcc-aarch64-linux-gnu g++-aarch64-linux-gnu qemu-user-static binfmt-support mmdebstrap) ;;
    *) echo "setup.sh: unknown argument $argument" >&2; exit 2 ;;
  esac
done

log=$(mktemp)
fail() {
  tail -n 20 "$log" >&2
  echo "setup.sh: $* (the whole log: $log)" >&2
  exit 1
}
root=()
need_root() {       # what for
  [ "$(id -u)" -ne 0 ] || return 0
  command -v sudo >/dev/null || { echo "setup.sh: needs root or sudo $*" >&2; exit 1; }
  root=(sudo)
}

missing=()
for package in "${tools[@]}" "${libraries[@]}"; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  need_root "to install: ${missing[*]}"
  echo "setup: installing ${missing[*]}"
  { "${root[@]}" apt-get update -qq && "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 || fail "apt could not install the packages"
fi

arm64_root() {
  local link folder=build/arm64-root wanted
  wanted=$(printf '%s,' libc6-dev "${libraries[@]}")
  [ "$(cat $folder/packages 2>/dev/null)" != "$wanted" ] || return 0
  echo "setup: unpacking the arm64 libraries in $folder"
  rm -rf $folder
  mkdir -p build
  mmdebstrap --variant=extract --architectures=arm64 --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --include="${wanted%,}" \
    "$(. /etc/os-release && echo "$VERSION_CODENAME")" $folder >"$log" 2>&1 || fail "the arm64 libraries could not be unpacked"
  # absolute links must stay inside; and where a folder is here too, the emulator takes this one
  find $folder -type l -lname '/*' | while read -r link; do
    ln -sfn "$(realpath -m --relative-to="${link%/*}" "$folder$(readlink "$link")")" "$link"
  done
  rm -rf $folder/{tmp,dev,var}
  echo "$wanted" >$folder/packages
}
if [ $arm64 = 1 ]; then
  arm64_root
  # scripts start the program by its name: the kernel must know the emulator
  if ! grep -qs enabled /proc/sys/fs/binfmt_misc/qemu-aarch64; then
    need_root "to register the arm64 emulator"
    "${root[@]}" update-binfmts --enable qemu-aarch64 >"$log" 2>&1 || fail "the kernel does not take the arm64 emulator (binfmt_misc)"
  fi
fi
rm -f "$log"
