#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A job that hangs is ended within its limits, and who hung in what is said: a rank that is stopped, a file that never
# answers, ranks that are slow but within their limit are left alone.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"
need_images
deck=$source_dir/tests/cli/tiny.nml

"$peclet" import "$deck" run.out=base >/dev/null 2>&1 && "$peclet" precompute "$deck" run.out=base >/dev/null 2>&1 ||
    fail "no data to train on"

# neither a file nor the disk for state.json answers: ended all the same, 10 s later (waited for below)
mkfifo never.idx
mkdir disk && mkfifo disk/state.json.0.tmp
"$peclet" import "$deck" run.out=disk dataset.path="$work/never.idx" limits.setup=2 limits.files=2 >disk.log 2>&1 &
hung=$!
hung_since=$SECONDS

# one of three ranks is stopped in the middle of training
mkdir -p stopped
cp base/dataset.h5 base/trajectories.h5 stopped/
began=$SECONDS
mpirun --bind-to none -n 3 "$peclet" train "$deck" run.out="$work/stopped" train.steps=100000 limits.step=3 limits.setup=3 limits.files=3 \
    >stopped.log 2>&1 &
launcher=$!
for _ in $(seq 200); do
    [ -f stopped/log.jsonl ] && [ "$(wc -l <stopped/log.jsonl)" -ge 2 ] && break
    sleep 0.1
done
victim=$(pgrep -f "run.out=$work/stopped" | while read -r pid; do
    [ "$(tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | sed -n 's/^OMPI_COMM_WORLD_RANK=//p')" = 2 ] && echo "$pid"
done)
[ -n "$victim" ] || fail "rank 2 was not found"
kill -STOP "$victim"
wait "$launcher"
code=$?
took=$((SECONDS - began))
[ "$code" -ne 0 ] || fail "a job with a stopped rank ended with 0"
[ "$took" -lt 60 ] || fail "the watchdog took $took s"
grep -q "watchdog: rank 2 on $(hostname) does not answer: stopped, or the node is gone" stopped.log ||
    fail "the stopped rank was not named: $(grep -a watchdog stopped.log)"
grep -q '"reason": "watchdog"' stopped/state.json || fail "state.json does not say why"
kill -KILL "$victim" 2>/dev/null
echo "found after $took s: $(grep -a watchdog: stopped.log | head -n 1)"

# a file that never answers
began=$SECONDS
"$peclet" import "$deck" run.out=fifo dataset.path="$work/never.idx" limits.setup=2 limits.files=2 >fifo.log 2>&1
code=$?
[ "$code" -eq 1 ] || fail "a hung import ended with $code"
[ $((SECONDS - began)) -lt 20 ] || fail "a hung import was found late"
grep -qE "watchdog: rank 0 on .* is in 'import(/read)?' for [0-9]+ s" fifo.log || fail "the hung import was not named: $(tail -n 3 fifo.log)"

for _ in $(seq 200); do
    kill -0 "$hung" 2>/dev/null || break
    [ $((SECONDS - hung_since)) -lt 30 ] || break
    sleep 0.1
done
kill -0 "$hung" 2>/dev/null && fail "a disk that hangs holds the watchdog" && kill -KILL "$hung"
wait "$hung"
code=$?
[ "$code" -ne 0 ] || fail "a hung import on a hung disk ended with 0"
grep -q "watchdog: rank 0" disk.log || fail "a hung import on a hung disk was not named"

# nothing is ended that works, however long it lasts in all, or where limits are 0
expect 0 total "$peclet" train "$deck" run.out=base train.steps=40 limits.step=5 limits.setup=30 limits.files=30
expect 0 total "$peclet" sample "$deck" run.out=base limits.step=0 limits.setup=0 limits.files=0
finish
