#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What takes Slurm its time: a real time limit, a node that dies, a scaling study. About three minutes; left out by `ctest -LE slow`.
source "$(dirname "$0")/common.sh"
need_images
start_slurm 4
ranks 2 "$peclet" run tiny.nml run.threads=1 run.out=whole run.stages=import,precompute 2>whole.log || fail "$(tail -n 3 whole.log)"
copy() {
    mkdir -p "$1" && cp whole/dataset.h5 whole/trajectories.h5 "$1"
}
endless=(tiny.nml run.threads=1 run.stages=train train.steps=1000000 train.log_every=1 train.checkpoint_every=5)

# A limit of one minute: stopped before it, requeued once (no more is allowed), stopped again; every leg goes on from the last.
copy limit
PECLET_REQUEUES=1 "$submit" -n 1 -t 1 "${endless[@]}" run.out=limit -- --ntasks-per-node=2 >limit.txt 2>&1 || fail "submit: $(cat limit.txt)"

# A node dies: Slurm starts the job again on others, and it goes on from its last checkpoint.
copy lost
"$submit" -n 2 -t 10 "${endless[@]}" run.out=lost >lost.txt 2>&1 || fail "submit: $(cat lost.txt)"
lost=$(number_of train <lost.txt)
wait_for 120 "a checkpoint of lost" test -s lost/checkpoints/LATEST
victim=$(scontrol show hostnames "$(field "$lost" NodeList)" | tail -n 1)
bash "$source_dir/tests/jobs/slurm_here.sh" crash "$slurm" "$victim"
wait_for 240 "the job on other nodes" grep -q 'restart 1' lost/jobs.log
grep 'restart 1' lost/jobs.log | grep -q "$victim" && fail "the job went back to $victim"
log=lost/logs/peclet-train-$lost.log
wait_for 120 "its going on" grep -q 'going on from the checkpoint of step' "$log"
touch lost/STOP # a stop for good
wait_jobs 120 "$lost"
ended "$lost" FAILED 75:0

# A scaling study: a job a point, the table from the last.
"$source_dir/jobs/scaling.sh" strong --ranks 1,2 -t 5 tiny.nml run.threads=1 >scaling.txt 2>&1 || fail "scaling: $(cat scaling.txt)"
table=$(sed -n 's/^table: job \([0-9]*\),.*/\1/p' scaling.txt)
wait_jobs 240 "$table"
ended "$table" COMPLETED
[ "$(grep -cE '^\| train \| [12] \| ms a step \|' runs/scaling-tiny-strong/table.md)" = 2 ] || fail "scaling: $(cat scaling.txt)"

limit=$(number_of train <limit.txt)
wait_jobs 300 "$limit"
ended "$limit" FAILED 75:0
log=limit/logs/peclet-train-$limit.log
[ "$(field "$limit" Restarts)" = 1 ] || fail "not requeued once: $(cat "$log")"
[ "$(grep -cE 'signal, exit 75|time limit, exit 75' "$log")" = 2 ] || fail "the legs did not both stop by themselves: $(cat "$log")"
grep -q 'not requeued: it was 1 times' "$log" || fail "no cap: $(cat "$log")"
going=$(sed -n 's/.*going on from the checkpoint of step //p' "$log")
[ "$(sed -n 's/.*requeued after train //p' "$log")" = "$going" ] || fail "did not go on where it stopped: $(cat "$log")"
grep -hE 'SIG|exit 75' "$log"
finish
