#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A disk that fills up: a message, exit 1, and everything written before it whole. Needs root for a small tmpfs.
source "$(dirname "$0")/common.sh"
need_images
deck=$source_dir/tests/cli/tiny.nml
mkdir small
if ! mount -t tmpfs -o size=4m none small 2>/dev/null; then
    echo "skipped: cannot mount a small tmpfs here"
    exit 77
fi
trap 'umount small; rm -rf "$work"' EXIT

expect 0 total "$peclet" import "$deck" run.out=small/run
expect 1 'the disk is full' ranks 2 "$peclet" precompute "$deck" run.out=small/run store.pairs_per_image=40
expect 1 'run.json: cannot be written: No space left on device' "$peclet" train "$deck" run.out=small/run store.pairs_per_image=40
[ ! -e small/run/state.json ] || [ -s small/run/state.json ] || fail "a full disk left an empty state.json"
mount -o remount,size=5m small
expect 1 "run 'peclet precompute' again" "$peclet" train "$deck" run.out=small/run store.pairs_per_image=40
rm -f small/run/trajectories.h5* # of the other deck: it would leave no room
expect 0 total ranks 2 "$peclet" precompute "$deck" run.out=small/run

# a checkpoint that does not fit: the earlier one stays and is used
umount small
mount -t tmpfs -o size=12m none small
expect 0 total "$peclet" run "$deck" run.out=small/run run.stages=import,precompute
expect 0 total "$peclet" train "$deck" run.out=small/run train.steps=2
dd if=/dev/zero of=small/fill bs=1k count=100000 2>/dev/null
truncate -s -300K small/fill # room for the log, not for a checkpoint
expect 1 'No space left on device' "$peclet" train "$deck" run.out=small/run train.steps=4
rm small/fill
expect 0 'going on from the checkpoint of step 2' "$peclet" train "$deck" run.out=small/run train.steps=4 train.keep=1
finish
