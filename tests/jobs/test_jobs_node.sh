#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A node dies, with its daemon and its ranks: jobs go on elsewhere from their last checkpoints, under their numbers. mpirun and the
# other ranks end within seconds, without a word of the program and long before Slurm knows of the node; under srun they wait
# until Slurm does. Then the node of the job scripts themselves dies.
source "$(dirname "$0")/common.sh"
need_images
start_slurm 3 10
# these two train without end while Slurm waits: behind whatever else this machine has to do
printf '#!/bin/sh\nexec nice -n 10 "%s" "$@"\n' "$peclet" >gently
chmod +x gently
export PECLET=$work/gently
ranks 2 "$peclet" run tiny.nml run.threads=1 run.out=whole run.stages=import,precompute 2>whole.log || fail "$(tail -n 3 whole.log)"

nodes_of() { # LAUNCHER RESTART
    sed -n "s/.*restart $2, nodes \([^ ]*\), .*/\1/p" "$1/jobs.log" | xargs scontrol show hostnames
}
# shellcheck disable=SC2317 # called through wait_for
began() { # LAUNCHER RESTART: that leg has begun, and went on from a checkpoint
    hurry "$(cat "$1.job")"
    [ "$(grep -c 'going on from the checkpoint of step' "$1/logs/peclet-train-$(cat "$1.job").log")" = "$2" ]
}
crash() { # RESTART NODE: it dies in that leg
    bash "$source_dir/tests/jobs/slurm_here.sh" crash "$slurm" "$2"
    for launcher in srun mpirun; do
        nodes_of $launcher "$1" | grep -qx "$2" || fail "the job of $launcher was not on $2"
        wait_for 180 "the next leg of $launcher" began $launcher $(($1 + 1)) || finish
        nodes_of $launcher $(($1 + 1)) | grep -qx "$2" && fail "the job of $launcher went back to $2"
    done
}

for launcher in srun mpirun; do
    mkdir $launcher && cp whole/dataset.h5 whole/trajectories.h5 $launcher
    PECLET_LAUNCHER=$launcher "$submit" -n 2 -t 20 tiny.nml run.threads=1 run.stages=train train.steps=1000000 train.log_every=1 \
        train.checkpoint_every=5 run.out=$launcher >$launcher.txt 2>&1 || fail "submit: $(cat $launcher.txt)"
    number_of train <$launcher.txt >$launcher.job
done
for launcher in srun mpirun; do
    wait_for 120 "a checkpoint under $launcher" test -s $launcher/checkpoints/LATEST
done
victim=$(nodes_of mpirun 0 | tail -n 1)
crash 0 "$victim"
log=mpirun/logs/peclet-train-$(cat mpirun.job).log
grep -q 'requeued after the loss of a node' "$log" || fail "requeued by Slurm, not by the job: $(cat "$log")"
bash "$source_dir/tests/jobs/slurm_here.sh" node "$slurm" "$victim"
crash 1 "$(nodes_of mpirun 1 | head -n 1)"

touch {srun,mpirun}/STOP # for good
wait_jobs 120 "$(cat srun.job)" "$(cat mpirun.job)"
for launcher in srun mpirun; do
    ended "$(cat $launcher.job)" FAILED 75:0
    [ "$(field "$(cat $launcher.job)" Restarts)" = 2 ] || fail "$launcher: $(field "$(cat $launcher.job)" Restarts) restarts"
done
finish
