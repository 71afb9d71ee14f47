#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The job scripts without a Slurm: what submit.sh would submit, and what common.sh makes of the ends of a run.
source "$(dirname "$0")/common.sh"
export PATH=$work:$PATH

line() { # STAGE OPTIONS...: the sbatch command of that stage
    "$submit" --dry-run --no-check "${@:2}" 2>&1 | grep -F "/$1.sbatch"
}
has() { # LINE WORD
    [[ " $1 " == *" $2 "* ]] || fail "no '$2' in: $1"
}

# The signal comes 300 s before the limit, in short jobs a tenth of it.
while read -r time lead; do
    has "$(line train -t "$time" tiny.nml)" "--signal=B:USR1@$lead"
done <<'T'
10 60
10:00 60
0:30:00 180
01:00:00 300
1-0 300
1-02:03 300
0-00:08:20 50
T
[ "$("$submit" --dry-run --no-check tiny.nml | grep -c '^sbatch')" = 5 ] || fail "the chain has not five jobs"
has "$(line sample tiny.nml forward.pe=1)" '--dependency=afterok:\<train\>'
has "$(line sample tiny.nml forward.pe=1)" --kill-on-invalid-dep=yes
has "$(line sample tiny.nml forward.pe=1)" 'tiny.nml forward.pe=1'
line sample tiny.nml run.stages=import,train | grep -q . && fail "a stage that the deck switches off is submitted"
line import tiny.nml run.stages=train,import | grep -q dependency && fail "the import waits: the chain is in the order of the deck"
has "$(line train tiny.nml run.stages=train,import)" '--dependency=afterok:\<import\>'
has "$(line run --one tiny.nml -- --partition=p --exclusive)" '--partition=p --exclusive'

# A machine's settings: NAME_STAGE before NAME, -n and -t before both.
mkdir machine
echo 'export PECLET_LAUNCHER=mpirun' >machine/env.sh
printf '%s\n' nodes=4 nodes_evaluate=2 tasks_per_node=8 gpus_per_node=8 gpus_per_node_import= time=2:00:00 time_train=1-0 \
    'sbatch_options=(--partition=gpu --account=a)' >machine/settings
has "$(line train -m ./machine tiny.nml)" '--nodes=4 --ntasks-per-node=8 --time=1-0'
has "$(line train -m ./machine tiny.nml)" '--gpus-per-node=8 --partition=gpu --account=a'
has "$(line evaluate -m ./machine tiny.nml)" '--nodes=2 --ntasks-per-node=8 --time=2:00:00'
has "$(line evaluate -m ./machine -n 16 -t 30 tiny.nml)" '--nodes=16 --ntasks-per-node=8 --time=30'
has "$(line import -m ./machine -n 16 tiny.nml)" --nodes=1
line import -m ./machine tiny.nml | grep -q gpus-per-node && fail "a setting emptied for a stage is not empty"
for folder in "$source_dir"/jobs/machines/*/; do
    # shellcheck source=/dev/null
    (set -u; source "$folder/env.sh" >/dev/null 2>&1; source "$folder/settings") || fail "$folder"
    has "$(line train -m "$(basename "$folder")" tiny.nml 2>/dev/null)" tiny.nml
done

# Where the environment is not passed on, what the job scripts need is.
line train tiny.nml | grep -q -- --export && fail "an --export where none is needed"
has "$(SBATCH_EXPORT=NONE PECLET_PMI=pmi2 line train tiny.nml | tr '\\,' ' ')" PECLET_PMI
has "$(SBATCH_EXPORT=HOME line train tiny.nml | tr -s '=\\,' ' ')" 'HOME PECLET PECLET_JOBS'
has "$(line train tiny.nml -- --export=NONE)" '--export=NONE --export=PECLET\,PECLET_JOBS\,PECLET_MACHINE'
expect 2 "group.key=value" "$submit"
expect 2 'did you mean' "$submit" --dry-run tiny.nml forward.pee=2

# job.sh against a program that ends as told, and a Slurm that says what it is told and takes notes.
cat >program <<'P'
#!/bin/bash
if [ "$1" = deck ]; then echo "  out = '${OUT-out}'"; exit; fi
trap 'touch killed' USR1
touch started
echo "end ${SLURM_JOB_END_TIME:-none}, restart ${SLURM_RESTART_COUNT:-none}, cores ${SRUN_CPUS_PER_TASK:-none}"
case $END in
crash) exit 137 ;;
empty) : >out/state.json && exit 1 ;;
signal)
    until [ -f ready ]; do sleep 0.1; done
    trap 'touch got' USR1
    printf '{\n  "slurm": {\n    "JOB_ID": "7"\n  }\n}\n' >out/run.json
    for ((i = 0; i < 600; i++)); do [ ! -f got ] || break; sleep 0.1; done
    ;;
esac
echo '{' >out/state.json
printf '  "%s": %s,\n' reason "\"$REASON\"" exit "$EXIT" stage '"train"' >>out/state.json
printf '  "%s": %s\n}\n' done "$STEPS" >>out/state.json
exit "$EXIT"
P
cat >scontrol <<'P'
#!/bin/bash
[ "$1" != show ] || echo 'SlurmdTimeout           = 300 sec'
[ "$1" != requeue ] || echo "$2" >>requeues
exit 1 # refused, so that the script comes back
P
cat >srun <<'P'
#!/bin/bash
while [[ $1 == --* ]]; do shift; done
[ "$1" != true ] || exit "$NODES_FAIL"
exec "$@"
P
# shellcheck disable=SC2016 # for the scripts that these write
printf '#!/bin/bash\n[ -n "$SQUEUE" ] && echo "$SQUEUE"\n' >squeue
# shellcheck disable=SC2016
printf '#!/bin/bash\necho "$NODES"\n' >sinfo
chmod +x program scontrol squeue srun sinfo
export PECLET=$work/program PECLET_JOBS=$source_dir/jobs PECLET_LAUNCHER=none SLURM_JOB_ID=7 SLURM_JOB_NODELIST=n1,n2
export END='' REASON=signal EXIT=75 STEPS=10 SQUEUE='' NODES_FAIL=0 NODES=mixed
train=$source_dir/jobs/train.sbatch
requeued() { # TIMES [NAME]: since the last question
    touch requeues
    [ "$(wc -l <requeues)" = "$1" ] || fail "requeued $(wc -l <requeues) times, wanted $1"
    [ -z "${2:-}" ] || [ "$(cat requeues)" = "$2" ] || fail "requeued $(cat requeues), not $2"
    rm -f requeues
}
expect 75 'requeued after train 10' bash "$train" tiny.nml
requeued 1 7
expect 75 'nothing was gained since the last time (train 10)' bash "$train" tiny.nml
requeued 0
STEPS=20 expect 75 'requeued after train 20' bash "$train" tiny.nml
requeued 1 7
STEPS=30 SLURM_RESTART_COUNT=3 PECLET_REQUEUES=3 expect 75 'it was 3 times' bash "$train" tiny.nml
SLURM_RESTART_COUNT=4 PECLET_REQUEUES=3 expect 75 'not started: it was requeued 4 times' bash "$train" tiny.nml # by Slurm itself
STEPS=30 REASON=stop expect 75 'stop, exit 75' bash "$train" tiny.nml
REASON='done' EXIT=0 expect 0 'done, exit 0' bash "$train" tiny.nml
REASON=failed EXIT=1 NODES_FAIL=1 NODES=down expect 1 'failed, exit 1' bash "$train" tiny.nml # a reason of its own
END=crash expect 137 'no state.json' bash "$train" tiny.nml # that of the leg before does not count
END=empty expect 1 'no state.json' bash "$train" tiny.nml
END=empty bash "$train" tiny.nml 2>&1 | grep -q 'integer expression' && fail "an empty state.json is not understood"
requeued 0 # what was stopped for good, done, failed or dead
PECLET_LAUNCHER=prun expect 2 "srun and mpirun are known" bash "$train" tiny.nml
OUT='' expect 2 'not started: no folder run.out' bash "$train" tiny.nml
OUT=tiny.nml/out expect 2 "not started: no folder run.out, or it cannot be made: 'tiny.nml/out'" bash "$train" tiny.nml

# What Slurm says of the job, where a job around it has left something else in the environment. The number of an array's task may be
# that of the array: a requeue of it would be one of all tasks.
export SLURM_JOB_END_TIME=1 SLURM_RESTART_COUNT=9
SQUEUE='8 12_4 2031-01-01T00:00:00 5
7 12_3 2030-01-01T00:00:00 2' STEPS=40 expect 75 "end $(date -d 2030-01-01 +%s), restart 2," bash "$train" tiny.nml
requeued 1 12_3
SQUEUE='7 7 N/A 0' expect 75 'end none, restart none,' bash "$train" tiny.nml
unset SLURM_JOB_END_TIME SLURM_RESTART_COUNT
rm -f requeues

# A rank gets the cores that were asked for; where none were, Slurm's default and not one.
PECLET_LAUNCHER=srun expect 75 'cores none' bash "$train" tiny.nml
PECLET_LAUNCHER=srun SLURM_CPUS_PER_TASK=3 expect 75 'cores 3' bash "$train" tiny.nml

# No word of the program, or one that a lost node may have caused: requeued if Slurm says that a node is lost.
export NODES_FAIL=1
for state in 'down*' down 'mixed*' failing; do
    END=crash NODES=$state expect 137 'requeued after the loss of a node' bash "$train" tiny.nml
    requeued 1 7
done
for reason in watchdog died; do
    REASON=$reason EXIT=1 NODES=down expect 1 'requeued after the loss of a node' bash "$train" tiny.nml
    requeued 1 7
done
END=crash NODES=down SLURM_RESTART_COUNT=20 expect 137 'not requeued: it was 20 times' bash "$train" tiny.nml
END=crash bash "$train" tiny.nml >waits.log 2>&1 & # cancelled while it waits for Slurm to see a node that does not answer
wait_for 60 "the wait" grep -q 'waiting for Slurm' waits.log
kill -TERM $!
wait $! && fail "a dead program succeeded"
requeued 0

# A signal that comes before the program can take it, or while modules are loaded, is held back until then.
# shellcheck disable=SC2016
printf '%s\n' 'touch loading' 'until [ -f loaded ]; do sleep 0.1; done' >machine/env.sh
for moment in started loading; do
    rm -f started loading loaded ready got killed out/run.json
    [ $moment = loading ] || touch loaded
    PECLET_MACHINE=./machine END=signal bash "$train" tiny.nml >held.log 2>&1 &
    wait_for 60 "$moment" test -f $moment
    kill -USR1 $!
    sleep 0.3
    touch loaded
    wait_for 60 "the program" test -f started
    sleep 0.3
    touch ready
    wait $!
    [ -f got ] && [ ! -f killed ] || fail "a signal when $moment did not reach the program when it could take it: $(cat held.log)"
done
finish
