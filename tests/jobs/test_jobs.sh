#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The real job scripts on a throw-away Slurm of four nodes: chain, sweep, stop and requeue, a dead rank; srun and mpirun. A node
# that dies: test_jobs_node.sh.
source "$(dirname "$0")/common.sh"
need_images
start_slurm 4
two=(-n 2 -t 5 tiny.nml run.threads=1)

# What no run may change: data sets and checkpoints made here, without Slurm.
ranks 2 "$peclet" run tiny.nml run.threads=1 run.out=whole run.stages=import,precompute,train 2>whole.log || fail "$(tail -n 3 whole.log)"
# long enough for the signals to come in between on a fast machine, too
long=(train.steps=300 train.log_every=5 train.checkpoint_every=1000)
copy() { # FOLDER: with the data, ready to train
    mkdir -p "$1" && cp whole/dataset.h5 whole/trajectories.h5 "$1"
}
copy long
ranks 2 "$peclet" train tiny.nml run.threads=1 run.out=long "${long[@]}" 2>long.log || fail "$(tail -n 3 long.log)"

# The chain on 2 nodes x 2 ranks through srun; all GPUs of a node are in every rank's sight; the program knows the job's end.
cat >logged <<W
#!/bin/bash
[ "\$1" = deck ] || echo "rank \$SLURM_PROCID sees GPU \${CUDA_VISIBLE_DEVICES:-none}, end \${SLURM_JOB_END_TIME:-none}"
exec "$peclet" "\$@"
W
chmod +x logged
PECLET=$work/logged "$submit" "${two[@]}" run.out=chain -- --ntasks-per-node=2 --gpus-per-node=2 >chain.txt 2>&1 || fail "submit: $(cat chain.txt)"
[ "$(grep -c ': job ' chain.txt)" = 5 ] || fail "not five jobs: $(cat chain.txt)"

# One job for all stages through mpirun, when the chain is over.
wait_jobs 240 "$(number_of evaluate <chain.txt)"
PECLET_LAUNCHER=mpirun "$submit" --one "${two[@]}" run.out=one >one.txt 2>&1 || fail "submit --one: $(cat one.txt)"

wait_jobs 240 "$(number_of run <one.txt)"
for stage in import precompute train sample evaluate; do # the first that failed takes the others with it
    ended "$(number_of "$stage" <chain.txt)" COMPLETED
done
ended "$(number_of run <one.txt)" COMPLETED
for run in chain one; do
    same whole/dataset.h5 $run/dataset.h5
    same whole/trajectories.h5 $run/trajectories.h5
    [ -s $run/metrics.json ] || fail "$run has no scores"
done
same whole/checkpoints/step-00000010.h5 one/checkpoints/step-00000010.h5 # 2 ranks here and there
train=$(number_of train <chain.txt)
log=chain/logs/peclet-train-$train.log
[ "$(grep -c 'sees GPU 0,1,' "$log")" = 4 ] || fail "GPUs: $(grep sees "$log")"
end=$(date -d "$(field "$train" StartTime)" +%s) end=$((end + 300)) # asked for: 5 minutes
grep -q "end $end" "$log" || fail "the program does not know that the job ends at $end: $(grep sees "$log")"
grep -q '"ranks": 4' chain/timings.json || fail "not 4 ranks: $(head -n 4 chain/timings.json)"

# Stopped by Slurm's signal: a checkpoint, back into the queue under the same number, and the end is that of an undisturbed run.
stop_and_go() { # FOLDER LAUNCHER
    local job
    copy "$1"
    job=$(PECLET_LAUNCHER=$2 PECLET_JOBS=$source_dir/jobs sbatch --parsable -N 2 -n 2 -t 5 "$source_dir/jobs/train.sbatch" \
        tiny.nml run.threads=1 run.out="$1" "${long[@]}")
    wait_for 120 "a step of $1" test -s "$1/log.jsonl"
    scancel --batch --signal=USR2 "$job" # a checkpoint in passing
    wait_for 120 "a checkpoint of $1" test -s "$1/checkpoints/LATEST"
    scancel --batch --signal=USR1 "$job"
    echo "$job" >"$1.job"
}
stop_and_go gone srun &
stop_and_go gone2 mpirun &
wait
for run in gone gone2; do
    job=$(cat $run.job)
    wait_jobs 240 "$job"
    ended "$job" COMPLETED
    [ "$(field "$job" Restarts)" = 1 ] || fail "$run was not requeued once: $(cat "peclet-train-$job.log")"
    grep -q 'requeued after train' "peclet-train-$job.log" || fail "$run: the log of the first leg is lost"
    grep -q 'going on from the checkpoint of step' "peclet-train-$job.log" || fail "$run began anew"
    same long/checkpoints/step-00000300.h5 $run/checkpoints/step-00000300.h5
done

# A rank that dies ends the job as failed, and those that wait for it; it is not tried again. A STOP file ends with 75, for good,
# and a job that is cancelled does not come back, though its ranks save and end with 75 as for any signal. Nor does a second job
# get into a folder in which one is at work.
for run in dead dead2 cancelled stopped; do
    copy $run
done
touch stopped/STOP
endless=(train.steps=100000 train.log_every=1)
"$submit" "${two[@]}" "${endless[@]}" run.stages=train,sample run.out="$work/dead" >dead.txt 2>&1 || fail "submit: $(cat dead.txt)"
PECLET_LAUNCHER=mpirun "$submit" "${two[@]}" "${endless[@]}" run.stages=train run.out="$work/dead2" >dead2.txt 2>&1 || fail "submit: $(cat dead2.txt)"
for run in dead dead2; do
    wait_for 120 "a step of $run" test -s $run/log.jsonl
    pkill -KILL -nf "^$peclet train tiny.nml .*run.out=$work/$run\$"
done
"$submit" "${two[@]}" "${endless[@]}" run.stages=train run.out=cancelled >cancelled.txt 2>&1 || fail "submit: $(cat cancelled.txt)"
"$submit" "${two[@]}" run.stages=train run.out=stopped >stopped.txt 2>&1 || fail "submit: $(cat stopped.txt)"
cancelled=$(number_of train <cancelled.txt)
wait_for 120 "a step of cancelled" test -s cancelled/log.jsonl
"$submit" -n 1 -t 5 tiny.nml run.threads=1 "${endless[@]}" run.stages=train run.out=cancelled >second.txt 2>&1 || fail "submit: $(cat second.txt)"
second=$(number_of train <second.txt)
wait_jobs 120 "$second"
ended "$second" FAILED
grep -q 'another command writes into' "cancelled/logs/peclet-train-$second.log" || fail "why: $(cat "cancelled/logs/peclet-train-$second.log")"
scancel "$cancelled"
wait_for 60 "a checkpoint of cancelled" test -s cancelled/checkpoints/LATEST
wait_jobs 240 "$cancelled" "$(number_of train <dead.txt)" "$(number_of train <dead2.txt)" "$(number_of sample <dead.txt)" \
    "$(number_of train <stopped.txt)"
ended "$(number_of train <dead.txt)" FAILED
ended "$(number_of train <dead2.txt)" FAILED
ended "$(number_of sample <dead.txt)" CANCELLED
ended "$(number_of train <stopped.txt)" FAILED 75:0
ended "$cancelled" CANCELLED
for run in cancelled dead dead2; do
    [ "$(field "$(number_of train <$run.txt)" Restarts)" = 0 ] || fail "$run came back"
done

# A sweep as an array, at a site that passes nothing of the environment on to jobs. The task that carries the number of the whole array
# is stopped: it alone is requeued. The table is that of tools/sweep.sh.
printf 'name=still forward.pe=0\n# a remark\nforward.pe=4 train.batch=10\n' >pair.txt
SBATCH_EXPORT=NONE "$submit" --sweep pair.txt -t 5 tiny.nml run.threads=1 train.steps=100 >sweep.txt 2>&1 || fail "submit --sweep: $(cat sweep.txt)"
array=$(number_of sweep <sweep.txt)
wait_for 120 "a step of both tasks" test -s runs/pair/still/log.jsonl -a -s runs/pair/run-3/log.jsonl
task=$(squeue -h -r -j "$array" -O JobID:20,ArrayTaskID:20 | awk -v array="$array" '$1 == array { print $2 }')
scancel --batch --signal=USR1 "${array}_$task"
wait_jobs 240 "${array}_1" "${array}_2" "$(number_of table <sweep.txt)"
for i in 1 2; do
    ended "${array}_$i" COMPLETED
    [ "$(field "${array}_$i" Restarts)" = $((i == task)) ] || fail "task $i of which $task was stopped: $(field "${array}_$i" Restarts) restarts"
done
ended "$(number_of table <sweep.txt)" COMPLETED
grep -q '^| still | run.threads=1 train.steps=100 forward.pe=0 | 101 | 20 |' runs/pair/table.md || fail "table: $(cat runs/pair/table.md)"
grep -q '^| run-3 | run.threads=1 train.steps=100 forward.pe=4 train.batch=10 | 101 | 20 |' runs/pair/table.md ||
    fail "table: $(cat runs/pair/table.md)"

# What cannot run is refused at once.
expect 1 'not available' "$submit" -n 9 tiny.nml run.out=never
expect 2 "did you mean 'pe'" "$submit" tiny.nml forward.pee=1 run.out=never
[ -e never ] && ls never/logs >/dev/null 2>&1 && [ -n "$(ls never/logs)" ] && fail "something ran"
finish
