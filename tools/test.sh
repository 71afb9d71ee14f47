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
ctest --test-dir build -j "$(nproc)" --output-on-failure "$@" || code=$?
grep -h '^skipped: ' build/Testing/Temporary/LastTest.log | sort -u || true # also what tests that passed left out
exit "$code"
