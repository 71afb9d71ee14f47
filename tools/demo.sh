#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The whole chain on two ranks: sets up, builds, corrupts Fashion-MNIST, trains, samples, scores.
#   tools/demo.sh [group.key=value ...]      about five minutes on two cores; results in runs/demo
set -euo pipefail
cd "$(dirname "$0")/.."

tools/bootstrap.sh
cmake --preset cpu >build-demo.log 2>&1 || { cat build-demo.log; exit 1; }
cmake --build --preset cpu --target peclet >>build-demo.log 2>&1 || { cat build-demo.log; exit 1; }
rm build-demo.log

source tools/mpi_env.sh
mpirun --bind-to none -n 2 build/peclet run inputs/demo.nml "$@"

echo
echo "Look at runs/demo: corruption.png (how images are carried and blurred), chain.png (the way back),"
echo "samples.png (new images), metrics.json (how good they are)."
