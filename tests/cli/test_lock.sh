#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two commands never write into one folder at a time; one that was killed, or an earlier leg of the same Slurm job, is no obstacle.
# Why a command ended is in state.json, however early that was.
source "$(dirname "$0")/common.sh"
need_images
deck=$source_dir/tests/cli/tiny.nml
unset SLURM_JOB_ID SLURM_RESTART_COUNT

expect 0 total "$peclet" run "$deck" run.out=out run.stages=import,precompute
SLURM_JOB_ID=7 "$peclet" train "$deck" run.out=out train.steps=1000000 >first.log 2>&1 &
first=$!
for _ in $(seq 100); do
    [ -s out/log.jsonl ] && break
    sleep 0.1
done
expect 1 "another command writes into out (process $first on $(hostname), Slurm job 7 restart -)" ranks 2 "$peclet" train "$deck" run.out=out
[ ! -e out/state.json ] || fail "the second command left a state.json in the folder of the first"
expect 1 'another command writes' env SLURM_JOB_ID=8 SLURM_RESTART_COUNT=1 "$peclet" sample "$deck" run.out=out
expect 0 'is in order' "$peclet" check "$deck" run.out=out # these do not write there
expect 0 levels "$peclet" deck "$deck" run.out=out
expect 0 'going on; the leg before' bash -c "SLURM_JOB_ID=7 SLURM_RESTART_COUNT=1 '$peclet' precompute '$deck' run.out=out 2>&1 |
    sed 's/.*still held by the leg before of this job (process $first .*going on/going on; the leg before/'"
kill -KILL "$first"
wait "$first" 2>/dev/null
[ -e out/state.json ] && grep -q '"command": "train"' out/state.json && fail "a killed command left a state.json"
expect 0 'train' "$peclet" train "$deck" run.out=out train.steps=1

# a file system without locks
if command -v cc >/dev/null; then
    cat >none.c <<'C'
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>
int fcntl(int file, int command, ...)
{
    va_list args;
    va_start(args, command);
    void *argument = va_arg(args, void *);
    va_end(args);
    if (command != F_SETLK)
        return (int)syscall(SYS_fcntl, file, command, argument);
    errno = ENOLCK;
    return -1;
}
C
    cc -shared -fPIC -D_GNU_SOURCE none.c -o none.so || fail "no stand-in for fcntl"
    expect 0 'this file system has no locks' env LD_PRELOAD="$PWD/none.so" "$peclet" train "$deck" run.out=out train.steps=1
fi

# early failures: a device that is not there (where there is one, this is a run like any other)
mkdir early && echo '{"reason": "done"}' >early/state.json
if ! "$peclet" import "$deck" run.out=early run.device=cuda >early.log 2>&1; then
    grep -q '"reason": "failed"' early/state.json || fail "a command without a device did not say so in state.json"
    grep -qE '"message": "(no GPU|this build has no CUDA)' early/state.json || fail "state.json does not say why: $(cat early/state.json)"
fi
expect 1 'not there' "$peclet" sample "$deck" run.out=missing
grep -q '"message": ".*not there' missing/state.json || fail "state.json does not say what failed: $(cat missing/state.json)"
finish
