#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The whole program over the runtime of this folder, on cards of several sizes: training and sampling that do not fit are
# refused with exit code 1 and what would do, not by an allocation that fails.
source "$(dirname "$0")/../cli/common.sh"
need_images
export ASAN_OPTIONS=detect_leaks=0 # Open MPI's
deck=$source_dir/tests/cli/tiny.nml

stage() { # CODE TEXT COMMAND MEGABYTES [override...]
    COH_MEMORY=$(($4 << 20)) expect "$1" "$2" "$peclet" "$3" "$deck" "${@:5}"
}
stage 0 total import 4096 run.device=cpu
stage 0 total precompute 4096 run.device=cpu
stage 0 total train 4096 run.device=cpu train.steps=1
stage 1 'training needs at least' train 16 run.device=cuda train.batch=48
stage 1 'a larger train.accumulate (now 1; ' train 16 run.device=cuda train.batch=48
stage 1 'sampling needs at least' sample 8 run.device=cuda sample.batch=20
[ ! -e tiny/samples.h5 ] || fail "a refused sampling began its file"
finish
