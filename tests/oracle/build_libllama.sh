#!/usr/bin/env bash
# Builds libllama (llama.cpp), the optional provider of `shinden text encode` and its peer in bench/peers/lm_shape.py, from the source that the
# PyPI package llama-cpp-python carries, for the CPU of this machine, and installs it with its llama.pc. Takes some minutes of two cores.
# usage: tests/oracle/build_libllama.sh PREFIX [VERSION]      VERSION of the package, default 0.3.36 (llama.cpp 0.5.0-dev)
# Then: PKG_CONFIG_PATH=PREFIX/lib/pkgconfig cmake --preset release -B build/llama -DSHINDEN_LLAMA=ON && cmake --build build/llama
# Needs python3 with venv, cmake, ninja, g++; PREFIX gets about 20 MB, the build about 600 MB below $TMPDIR or /tmp, removed at the end.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,6s/^# //p' "$0"; exit 2; }
prefix=$(realpath -m "$1")
version=${2:-0.3.36}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" download --quiet --no-deps --no-binary llama-cpp-python "llama-cpp-python==$version" -d "$work"
tar -xzf "$work/llama_cpp_python-$version.tar.gz" -C "$work"
source=$work/llama_cpp_python-$version/vendor/llama.cpp
cmake -S "$source" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib \
  -DCMAKE_INSTALL_RPATH='$ORIGIN' -DGGML_NATIVE=ON -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
  -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_OPENSSL=OFF >"$work/configure.log" || { cat "$work/configure.log"; exit 1; }
cmake --build "$work/build"
cmake --install "$work/build" >/dev/null
PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --print-errors --exists llama
echo "libllama $(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --modversion llama) in $prefix"
