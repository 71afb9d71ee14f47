#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What takes Slurm its time: a real time limit, a scaling study. About three minutes; left out by `ctest -LE slow`.
source "$(dirname "$0")/common.sh"
need_images
start_slurm 4
ranks 2 "$peclet" run tiny.nml run.threads=1 run.out=whole run.stages=import,precompute 2>whole.log || fail "$(tail -n 3 whole.log)"

# A limit of one minute, met by Slurm's signal alone: the ranks do not know when the job ends. Stopped before it, requeued once (no
# more is allowed), stopped again; every leg goes on from the last.
printf '#!/bin/bash\nunset SLURM_JOB_END_TIME\nexec "%s" "$@"\n' "$peclet" >blind
chmod +x blind
for launcher in srun mpirun; do
    mkdir $launcher && cp whole/dataset.h5 whole/trajectories.h5 $launcher
    PECLET=$work/blind PECLET_LAUNCHER=$launcher PECLET_REQUEUES=1 "$submit" -n 1 -t 1 tiny.nml run.threads=1 run.stages=train run.walltime=1e6 \
        train.steps=1000000 train.log_every=1 train.checkpoint_every=5 run.out=$launcher -- --ntasks-per-node=2 >$launcher.txt 2>&1 ||
        fail "submit: $(cat $launcher.txt)"
done

# A scaling study: a job a point, the table from the last.
"$source_dir/jobs/scaling.sh" strong --ranks 1,2 -t 5 tiny.nml run.threads=1 >scaling.txt 2>&1 || fail "scaling: $(cat scaling.txt)"
table=$(sed -n 's/^table: job \([0-9]*\),.*/\1/p' scaling.txt)
wait_jobs 240 "$table"
ended "$table" COMPLETED
[ "$(grep -cE '^\| train \| [12] \| ms a step \|' runs/scaling-tiny-strong/table.md)" = 2 ] || fail "scaling: $(cat scaling.txt)"

for launcher in srun mpirun; do
    job=$(number_of train <$launcher.txt)
    wait_jobs 300 "$job"
    ended "$job" FAILED 75:0
    log=$launcher/logs/peclet-train-$job.log
    [ "$(field "$job" Restarts)" = 1 ] || fail "not requeued once: $(cat "$log")"
    [ "$(grep -c 'signal, exit 75' "$log")" = 2 ] || fail "Slurm's signal did not stop both legs: $(cat "$log")"
    grep -q 'not requeued: it was 1 times' "$log" || fail "no cap: $(cat "$log")"
    going=$(sed -n 's/.*going on from the checkpoint of step //p' "$log")
    [ "$(sed -n 's/.*requeued after train //p' "$log")" = "$going" ] || fail "did not go on where it stopped: $(cat "$log")"
    grep -hE 'SIG|exit 75' "$log"
done
finish
