#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Command line, help, and the message and exit code of bad input.
source "$(dirname "$0")/common.sh"
need_images
cp "$source_dir/tests/cli/tiny.nml" .

expect 0 'usage: peclet COMMAND DECK' "$peclet" help
expect 0 'pe ' "$peclet" help forward
expect 0 'Peclet' "$peclet" help forward.pe
expect 0 'commit' "$peclet" version
expect 2 "did you mean 'forward'" "$peclet" help forwrad
expect 2 "unknown command 'trian'; did you mean 'train'?" "$peclet" trian tiny.nml
expect 2 'usage: peclet' "$peclet"
expect 2 'needs a deck' "$peclet" run
expect 2 'No such file' "$peclet" run missing.nml
expect 0 'is in order' "$peclet" check tiny.nml
expect 0 'parameters' "$peclet" plan tiny.nml run.plan_ranks=4
for deck in "$source_dir"/inputs/*.nml; do
    expect 0 'is in order' "$peclet" check "$deck"
done

# where MPI cannot start (login nodes), what needs one rank works all the same
broken=(env OMPI_MCA_pml=nosuch "$peclet")
expect 0 'commit' "${broken[@]}" version
expect 0 'pe ' "${broken[@]}" help forward
expect 0 'levels = 10' "${broken[@]}" deck tiny.nml
expect 0 'is in order' "${broken[@]}" check tiny.nml
expect 2 'usage: peclet' "${broken[@]}"
# under a launcher they are one program of several ranks, and speak once
[ "$(ranks 2 "$peclet" version | wc -l)" -eq 1 ] || fail "version on two ranks speaks twice"

# the deck
expect 2 "override 'forward.pe=abc'" "$peclet" check tiny.nml forward.pe=abc
expect 2 "unknown key 'sigma_mx' in &forward; did you mean 'sigma_max'?" "$peclet" check tiny.nml forward.sigma_mx=3
printf '&forward\n  sigma_mx = 3\n  levels = 1.5\n/\n&lmb\n/\n' >bad.nml
expect 2 "bad.nml:2:3: error: unknown key 'sigma_mx' in &forward; did you mean 'sigma_max'?" "$peclet" check bad.nml
expect 2 'bad.nml:3:12: error:' "$peclet" check bad.nml
expect 2 "unknown group &lmb; did you mean &lbm?" "$peclet" check bad.nml
printf '&forward\n  levels = 10\n' >open.nml
expect 2 'open.nml:' "$peclet" check open.nml
expect 2 'sigma_max' "$peclet" check tiny.nml forward.sigma_min=9 forward.sigma_max=8

expect 2 "&train reduce = 'bf16' is not in this version yet" "$peclet" check tiny.nml train.reduce=bf16

# physics and network
expect 2 "or use collision = 'equilibrium'" "$peclet" check tiny.nml lbm.collision=bgk
expect 2 '28' "$peclet" check tiny.nml unet.multipliers=1,1,1,1,1
expect 2 'alpha_max' "$peclet" check tiny.nml lbm.alpha_max=0.4

# data
expect 1 'nothing.gz' "$peclet" import tiny.nml dataset.path=nothing.gz
head -c 100000 "$images" >cut.gz
expect 1 'cut.gz' "$peclet" import tiny.nml dataset.path=cut.gz run.out=a
head -c 5000 /dev/urandom >noise.idx
expect 1 'noise.idx' "$peclet" import tiny.nml dataset.path=noise.idx run.out=b
printf '\000\000\010\003\000\000\000\000\000\000\000\034\000\000\000\034' >empty.idx
expect 1 'empty.idx' "$peclet" import tiny.nml dataset.path=empty.idx run.out=c
expect 1 'dataset.h5 is not there; run' "$peclet" precompute tiny.nml run.out=d
expect 1 'trajectories.h5 is not there; run' "$peclet" train tiny.nml run.out=e
expect 1 'cannot make this folder' "$peclet" import tiny.nml run.out=/proc/nowhere

# files of another deck, unfinished and foreign files
expect 0 '101 images' "$peclet" import tiny.nml
expect 0 'precompute' "$peclet" precompute tiny.nml
expect 0 'peclet-trajectories' "$peclet" info tiny/trajectories.h5
expect 1 '&forward pe' "$peclet" train tiny.nml forward.pe=2
expect 1 'no usable checkpoint' "$peclet" sample tiny.nml
cp tiny/trajectories.h5 keep.h5
head -c 20000 keep.h5 >tiny/trajectories.h5
expect 1 "run 'peclet precompute' again" "$peclet" train tiny.nml
cp tiny/dataset.h5 tiny/trajectories.h5
expect 1 "run 'peclet precompute' again" "$peclet" train tiny.nml
echo 'not hdf5' >tiny/trajectories.h5
expect 1 "run 'peclet precompute' again" "$peclet" train tiny.nml
expect 1 'not hdf5' bash -c "echo not hdf5; '$peclet' info tiny/trajectories.h5"

# a learning rate that blows up stops with a message and keeps the earlier checkpoint
cp keep.h5 tiny/trajectories.h5
expect 0 'train' "$peclet" train tiny.nml train.steps=5
expect 1 'no longer finite' "$peclet" train tiny.nml train.steps=40 train.learning_rate=10 train.clip=0 \
    train.checkpoint_every=1000
expect 0 'going on from the checkpoint of step 5' "$peclet" train tiny.nml train.steps=6
finish
