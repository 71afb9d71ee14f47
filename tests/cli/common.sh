# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the command-line tests: bash test_x.sh PECLET SOURCE
set -uo pipefail
# shellcheck disable=SC2034 # for the scripts that source this
peclet=$1
source_dir=$2
source "$source_dir/tools/mpi_env.sh"
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
images=/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# expect CODE 'text that must be printed' command...      runs it; both must hold
expect() {
    local code=$1 text=$2 out got
    shift 2
    out=$("$@" 2>&1)
    got=$?
    if [ "$got" -ne "$code" ]; then
        fail "exit $got, wanted $code: $*"
        echo "$out" | tail -n 12
    elif ! grep -qF -- "$text" <<<"$out"; then
        fail "did not print '$text': $*"
        echo "$out" | tail -n 12
    fi
}

ranks() {
    local n=$1
    shift
    mpirun --bind-to none -n "$n" "$@"
}

# signalled SIGNAL command...: runs it with the signal already waiting, so that it comes however fast the command is
signalled() {
    /usr/bin/python3 -c 'import os, signal, sys
number = getattr(signal, "SIG" + sys.argv[1])
signal.pthread_sigmask(signal.SIG_BLOCK, [number])
os.kill(os.getpid(), number)
os.execvp(sys.argv[2], sys.argv[2:])' "$@"
}

# same FILE FILE: every dataset of both HDF5 files byte for byte
same() {
    /usr/bin/python3 "$source_dir/tests/cli/same.py" "$@" || fail "differ: $*"
}

need_images() {
    if [ ! -f "$images" ]; then
        echo "skipped: needs $images (Debian: dataset-fashion-mnist)"
        exit 77
    fi
}

finish() {
    [ "$failures" -eq 0 ] && echo "all checks passed"
    exit "$((failures > 0))"
}
