#!/usr/bin/env bash
# Installs what building and running Shinden needs on Debian 12 or 13, and says what. Needs root or sudo, and apt.
# usage: ./setup.sh [--fuzz] [--mpi]      --fuzz also brings clang for the fuzz targets, --mpi Open MPI for the preset mpi
set -euo pipefail

packages=(
  gcc g++ cmake ninja-build pkg-config
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
for argument in "$@"; do
  case $argument in
    --mpi) packages+=(libopenmpi-dev openmpi-bin) ;;
    --fuzz) packages+=(clang libclang-rt-14-dev) ;;
    *) echo "setup.sh: unknown argument $argument" >&2; exit 2 ;;
  esac
done

missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi
root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "setup.sh: needs root or sudo to install: ${missing[*]}" >&2; exit 1; }
  root=(sudo)
fi
echo "setup: installing ${missing[*]}"
log=$(mktemp)
if ! { "${root[@]}" apt-get update -qq && DEBIAN_FRONTEND=noninteractive "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
       apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "setup.sh: apt could not install the packages (the whole log: $log)" >&2
  exit 1
fi
rm -f "$log"
