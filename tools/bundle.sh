#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One file for a GPU machine that has no compiler and none of our libraries: program, tests, benchmarks, decks, data,
# and every shared library but CUDA's own and glibc's. docs/gpu.md says what to do with it there.
#
# usage: tools/bundle.sh FILE.tar.gz [BUILD_FOLDER [CMAKE_ARGUMENT ...]]
#   BUILD_FOLDER (default build-bundle) is configured and built here: one rank, no FFTW, CUDA for compute capability 8.0
#   and 9.0. With -DPECLET_CUDA_FROM=BUILD, another build of this source that has CUDA, its kernels are taken, brought up
#   to date: half the time. The glibc of the target must not be older than this machine's.
set -euo pipefail
source=$(dirname "$(dirname "$(readlink -f "$0")")")
out=$(readlink -m "${1:?usage: bundle.sh FILE.tar.gz [BUILD_FOLDER [CMAKE_ARGUMENT ...]]}")
build=$(readlink -m "${2:-$source/build-bundle}")
shift $(($# < 2 ? $# : 2))
images=/usr/share/datasets/fashion-mnist
programs=(peclet test_ops test_unet_golden test_adr_call test_adr_exact test_adr_golden test_adr_laws test_adr_velocity
    test_adr_paper bench_adr bench_train bench_device bench_sums bench_judges)

[ -f "$images/train-images-idx3-ubyte.gz" ] || { echo "bundle: needs $images (Debian: dataset-fashion-mnist)" >&2; exit 1; }

jobs=$(env -u OMP_NUM_THREADS nproc)
for argument in "$@"; do
    if [[ $argument == -DPECLET_CUDA_FROM=* ]]; then
        cmake --build "${argument#*=}" -j "$jobs" --target peclet_cuda | tail -n 1
    fi
done

# A run path of the old kind, which also holds for the libraries of libraries, and nothing linked that is not called.
# shellcheck disable=SC2016 # $ORIGIN is the loader's
cmake -S "$source" -B "$build" -G Ninja -DPECLET_MPI=OFF -DPECLET_FFTW=OFF -DPECLET_CUDA=ON -DPECLET_SHARED=ON \
    -DCMAKE_SKIP_RPATH=ON -DCMAKE_SHARED_LINKER_FLAGS=-Wl,--as-needed \
    -DCMAKE_EXE_LINKER_FLAGS='-Wl,--as-needed,--disable-new-dtags,-rpath,'\''$ORIGIN/../lib'\' "$@" >/dev/null
cmake --build "$build" -j "$jobs" --target "${programs[@]}" | tail -n 1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
folder=$work/peclet-gpu
mkdir -p "$folder"/{bin,lib,decks,data,tools/bench,tools/golden,tests/golden}
for program in "${programs[@]}"; do
    strip -o "$folder/bin/$program" "$build/$program"
done
strip --strip-unneeded -o "$folder/lib/libpeclet.so" "$build/libpeclet.so"

# What the loader would take here, but for what any Linux has (glibc) and what must fit the driver (CUDA).
mine='lib(c|m|dl|rt|pthread|resolv|util|anl)\.so|ld-linux|linux-vdso'
cuda='lib(cuda|cudart|cudnn[a-z_]*|nccl|nvrtc[a-z-]*|nvJitLink|cublas|cublasLt|cufft)\.so'
LD_LIBRARY_PATH=$folder/lib ldd "$folder"/bin/* | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }' | sort -u |
    grep -vE "^($mine|$cuda)|libpeclet.so" | while read -r name file; do
    cp -L "$file" "$folder/lib/$name"
done
# A library with a run path of its own (Open MPI's, under parallel HDF5) would not look where the program says.
for file in "$folder"/lib/*; do
    if readelf -d "$file" | grep -qE 'RUNPATH|RPATH'; then
        command -v patchelf >/dev/null || { echo "bundle: needs patchelf, for $file" >&2; exit 1; }
        chmod u+w "$file"
        patchelf --remove-rpath "$file"
    fi
done
missing=$(LD_LIBRARY_PATH=$folder/lib ldd "$folder"/bin/* | grep 'not found' | sort -u | grep -vE "^\s*$cuda" || true)
[ -z "$missing" ] || { echo "bundle: $missing" >&2; exit 1; }

first() { # FILE COUNT NEW: the first COUNT images of an IDX file of 28x28
    { printf '\x00\x00\x08\x03'
      # shellcheck disable=SC2059 # the count as four bytes, big end first
      printf "$(printf '\\x%02x' $(($2 >> 24 & 255)) $(($2 >> 16 & 255)) $(($2 >> 8 & 255)) $(($2 & 255)))"
      printf '\x00\x00\x00\x1c\x00\x00\x00\x1c'
      gzip -dc "$1" 2>/dev/null | tail -c +17 | head -c $(($2 * 784)) || true
    } | gzip -9n >"$3"
}
first "$images/train-images-idx3-ubyte.gz" 4096 "$folder/data/fashion-train.idx.gz"
first "$images/t10k-images-idx3-ubyte.gz" 512 "$folder/data/fashion-test.idx.gz"

cp "$source/tools/gpu_check.sh" "$source/LICENSE" "$folder"
cp "$source"/tools/bundle/*.nml "$folder/decks"
cp "$source"/tools/bundle/*.py "$folder/tools"
cp "$source"/tools/bench/peer_{unet,judges,ask}.py "$folder/tools/bench"
cp "$source"/tools/golden/{unet,judges}_golden.py "$folder/tools/golden"
cp "$source"/tests/golden/unet_*.bin "$folder/tests/golden"
commit=$(git -C "$source" describe --always --dirty 2>/dev/null || echo unknown)
echo "commit $commit, built $(date -u +%F) with $(nvcc --version 2>/dev/null | sed -n 's/.*release \([0-9.]*\).*/CUDA \1, /p')$(ldd --version | sed -n '1s/.* /glibc /p')" >"$folder/MADE"

tar --sort=name --owner=0 --group=0 -C "$work" -c peclet-gpu | gzip -6n >"$out"
bytes=$(stat -c %s "$out")
echo "$out: $((bytes / 1000000)) MB, $(cat "$folder/MADE")"
[ "$bytes" -le 60000000 ] || { echo "bundle: larger than 60 MB" >&2; exit 1; }
