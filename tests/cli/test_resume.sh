#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Killed or stopped runs go on and end bit-equal to an undisturbed one.
source "$(dirname "$0")/common.sh"
need_images
deck=$source_dir/tests/cli/tiny.nml

expect 0 total "$peclet" run "$deck" run.out=whole

# 10 steps = 5 + resume + 5, all arrays of the checkpoint
mkdir -p parts
cp whole/dataset.h5 whole/trajectories.h5 parts/
expect 0 total "$peclet" train "$deck" run.out=parts train.steps=5
expect 0 'going on from the checkpoint of step 5' "$peclet" train "$deck" run.out=parts
same whole/checkpoints/step-00000010.h5 parts/checkpoints/step-00000010.h5
cmp -s <(sed 's/"images_per_s.*//' whole/log.jsonl) <(sed 's/"images_per_s.*//' parts/log.jsonl) || fail "logs differ"

# a damaged checkpoint is passed over for the one before
cp -r parts damaged
middle=$(($(stat -c %s damaged/checkpoints/step-00000010.h5) / 2))
printf 'xxxx' | dd of=damaged/checkpoints/step-00000010.h5 bs=1 seek="$middle" conv=notrunc status=none
expect 0 'going on from the checkpoint of step 5' "$peclet" train "$deck" run.out=damaged
same whole/checkpoints/step-00000010.h5 damaged/checkpoints/step-00000010.h5

# USR1: a checkpoint, exit 75, and on
mkdir -p signal
cp whole/dataset.h5 whole/trajectories.h5 signal/
"$peclet" train "$deck" run.out=signal train.steps=100000 >signal.log 2>&1 &
pid=$!
for _ in $(seq 100); do
    [ -s signal/log.jsonl ] && break
    sleep 0.1
done
kill -USR1 "$pid"
wait "$pid"
[ $? -eq 75 ] || fail "USR1 did not end in exit 75: $(tail -n 3 signal.log)"
grep -q '"reason": "signal"' signal/state.json || fail "state.json does not say why"
tail -n 1 signal/log.jsonl | grep -q heldout && fail "there was no time for the held-out loss"
mkdir -p stopped
cp whole/dataset.h5 whole/trajectories.h5 stopped/
touch stopped/STOP
expect 75 'stopped (stop)' "$peclet" train "$deck" run.out=stopped

# the stages before the training stop, too, and go on where they were: import after a round, precompute after a slab
larger=(dataset.limit=12000 dataset.test_limit=40)
expect 0 total "$peclet" run "$deck" run.out=many run.stages=import,precompute "${larger[@]}"
expect 75 'import stopped (signal) after' signalled USR1 "$peclet" import "$deck" run.out=legs "${larger[@]}"
grep -q '"reason": "signal"' legs/state.json || fail "state.json does not say that import was stopped"
expect 1 'not complete' "$peclet" precompute "$deck" run.out=legs "${larger[@]}"
touch legs/STOP
expect 75 'going on after' "$peclet" import "$deck" run.out=legs "${larger[@]}"
rm legs/STOP
expect 0 'going on after' ranks 2 "$peclet" import "$deck" run.out=legs "${larger[@]}"
same many/dataset.h5 legs/dataset.h5
expect 75 'precompute stopped (signal) after' signalled TERM "$peclet" precompute "$deck" run.out=legs "${larger[@]}"
grep -q '"stage": "precompute"' legs/state.json || fail "state.json does not say how far precompute was"
expect 0 'going on after' ranks 2 "$peclet" precompute "$deck" run.out=legs "${larger[@]}"
same many/trajectories.h5 legs/trajectories.h5

# sampling stops after a round; what is known from its start counts as unwritten until it is done
mkdir -p split
cp -r whole/dataset.h5 whole/trajectories.h5 whole/checkpoints split/
expect 75 'sampling stopped (signal) after' signalled USR1 "$peclet" sample "$deck" run.out=split
/usr/bin/python3 -c 'import h5py
with h5py.File("split/samples.h5", "r+") as f:
    assert f["seed_split"][()].all()
    f["seed_split"][:] = 0 # created, but its writer died'
expect 0 'going on after' ranks 2 "$peclet" sample "$deck" run.out=split
same whole/samples.h5 split/samples.h5

# run.walltime: every leg ends in time, with a checkpoint from which the next one goes on
for leg in 'network:' 'going on from the checkpoint of step'; do
    expect 75 "$leg" timeout 300 "$peclet" run "$deck" run.out=timed run.walltime=4 train.steps=1000000
    grep -q '"reason": "time limit"' timed/state.json || fail "state.json does not say that the time was over"
done
[ "$(sed -n 's/.*"done": \([0-9]*\).*/\1/p' timed/state.json)" = "$(tail -n 1 timed/log.jsonl | sed -n 's/.*"step": *\([0-9]*\).*/\1/p')" ] ||
    fail "state.json and the log differ in how far the training was"

# killed at random moments, on 1 to MOST ranks, until done
kill_until_done() { # MOST, stage, further overrides
    local most=$1 stage=$2 tries=0 code=1
    shift 2
    while [ "$code" -ne 0 ] && [ "$tries" -lt 40 ]; do
        local after
        after=$(awk -v s="$RANDOM" -v n="$tries" 'BEGIN { print 0.15 + 0.12 * n + 0.01 * n * n + 0.25 * s / 32768 }')
        timeout -s KILL "$after" mpirun --bind-to none -n $((1 + RANDOM % most)) "$peclet" "$stage" "$deck" "$@" >kill.log 2>&1
        code=$?
        tries=$((tries + 1))
        pkill -KILL -f "$work" 2>/dev/null
    done
    [ "$code" -eq 0 ] || fail "$stage did not end: $(tail -n 5 kill.log)"
    echo "$stage: $tries starts"
}
mkdir -p killed
cp whole/dataset.h5 killed/
kill_until_done 3 precompute run.out="$work/killed"
same whole/trajectories.h5 killed/trajectories.h5
kill_until_done 1 train run.out="$work/killed" train.checkpoint_every=2
same whole/checkpoints/step-00000010.h5 killed/checkpoints/step-00000010.h5
kill_until_done 3 sample run.out="$work/killed"
same whole/samples.h5 killed/samples.h5
finish
