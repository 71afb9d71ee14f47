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
expect 2 "group.key=value" "$submit"
expect 2 'did you mean' "$submit" --dry-run tiny.nml forward.pee=2

# common.sh against a program that ends as told, and a scontrol that only takes notes.
cat >program <<'P'
#!/bin/bash
if [ "$1" = deck ]; then echo "  out = 'out'"; exit; fi
case $END in
crash) exit 137 ;;
late) trap 'touch killed' USR1; sleep 2; touch out/run.json; trap 'echo yes >got' USR1; for i in $(seq 50); do sleep 0.1; done ;;
esac
echo '{' >out/state.json
printf '  "%s": %s,\n' reason "\"$REASON\"" exit "$EXIT" stage '"train"' >>out/state.json
printf '  "%s": %s\n}\n' done "$STEPS" >>out/state.json
exit "$EXIT"
P
# shellcheck disable=SC2016 # for the script that it writes
printf '#!/bin/bash\n[ "$1" = requeue ] && echo "$2" >>requeues; exit 1\n' >scontrol # refused, so that the script comes back
printf '#!/bin/bash\nexit 1\n' >squeue
chmod +x program scontrol squeue
export PECLET=$work/program PECLET_JOBS=$source_dir/jobs PECLET_LAUNCHER=none SLURM_JOB_ID=7 END='' REASON=signal EXIT=75 STEPS=10
train=$source_dir/jobs/train.sbatch
again() { # how often it asked to be requeued since the last question
    touch requeues
    wc -l <requeues
    rm -f requeues
}
expect 75 'requeued after train 10' bash "$train" tiny.nml
[ "$(again)" = 1 ] || fail "not requeued"
expect 75 'nothing was gained since the last time (train 10)' bash "$train" tiny.nml
STEPS=20 expect 75 'requeued after train 20' bash "$train" tiny.nml
[ "$(again)" = 1 ] || fail "not requeued once for two legs"
STEPS=30 SLURM_RESTART_COUNT=3 PECLET_REQUEUES=3 expect 75 'it was 3 times' bash "$train" tiny.nml
STEPS=30 REASON=stop expect 75 'stop, exit 75' bash "$train" tiny.nml
REASON='done' EXIT=0 expect 0 'done, exit 0' bash "$train" tiny.nml
REASON=failed EXIT=1 expect 1 'failed, exit 1' bash "$train" tiny.nml
END=crash expect 137 'no state.json' bash "$train" tiny.nml # that of the leg before does not count
[ "$(again)" = 0 ] || fail "requeued what was stopped for good, done, failed or dead"
PECLET_LAUNCHER=prun expect 2 "srun and mpirun are known" bash "$train" tiny.nml

# A signal that comes before the program has begun is held back until then.
END=late bash "$train" tiny.nml >late.log 2>&1 &
sleep 0.5
kill -USR1 $!
wait
[ -f got ] && [ ! -f killed ] || fail "a signal went to the program before it could take it: $(cat late.log)"
finish
