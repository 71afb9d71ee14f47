#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sets up, builds everything and runs the tests.   tools/test.sh [ctest arguments, such as -L unit]
# Real data for the tests that want it: PECLET_DATA=folder; without it they are counted as skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/bootstrap.sh tests
source tools/mpi_env.sh
cmake --preset cpu -DPECLET_WERROR="${PECLET_WERROR:-OFF}" -DPECLET_CUDA="${PECLET_CUDA:-AUTO}"
cmake --build --preset cpu
code=0
export OMP_WAIT_POLICY=passive # threads that wait leave their processor to the tests beside
# one more than there are processors: the tests of the job scripts come first, one after the other, and mostly wait
ctest --test-dir build -j "$(($(nproc) + 1))" --output-on-failure "$@" || code=$?
grep -h '^skipped: ' build/Testing/Temporary/LastTest.log | sort -u || true # also what tests that passed left out
exit "$code"
