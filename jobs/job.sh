# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the batch scripts beside it: one command of the program as this job: its signals, its end, its next leg.
#
# A job that is stopped early (before its time limit, or by `scancel --batch --signal=USR1 JOB`) writes a checkpoint, ends with
# 75 and is requeued: it keeps its number, so the jobs that wait for it keep waiting. What has happened is read from
# RUN.OUT/state.json, which the program writes last, never from the launcher: srun hides the code of a rank that dies alone.
# If the program left no reason of its own, or one that the loss of a node may have caused, the nodes are looked at.
set -uo pipefail
pid='' out='' ended=0 early=()

say() {
    echo "$(date +%FT%T) job ${job:-here}: $*"
}

# To the program, once it can take it: before it has blocked the signals they would end it. It has when run.json tells of this leg.
deliver() { # SIGNAL
    until [ "$(json "$out/run.json" JOB_ID) $(json "$out/run.json" RESTART_COUNT)" = "${SLURM_JOB_ID:-} ${SLURM_RESTART_COUNT:-}" ]; do
        kill -0 "$pid" 2>/dev/null || return
        sleep 0.5
    done
    kill -"$1" "$pid" 2>/dev/null && say "SIG$1 for the program"
}

on_signal() { # SIGNAL. From the trap itself: what waited for the main loop could come just before a `wait` and lie there
    if [ -n "$pid" ]; then deliver "$1" & else early+=("$1"); fi
}
# From here on: loading modules takes its time, and an untrapped signal would end the script.
trap 'on_signal USR1' USR1 # Slurm's --signal: the limit is near. Checkpoint, stop, requeue
trap 'on_signal USR2' USR2 # checkpoint and go on
trap 'ended=1' TERM        # cancelled or over the limit; Slurm tells the ranks itself

# shellcheck source=jobs/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# The job's name, end and restarts as Slurm knows them, not as the environment does: a job that was submitted inside another may
# have inherited that one's. A task of an array is called by its number in it: its own may be that of the whole array.
job=${SLURM_JOB_ID:-}
ask_slurm() {
    local number name end restarts
    while read -r number name end restarts; do
        [ "$number" = "$job" ] || continue
        job=$name
        unset SLURM_JOB_END_TIME SLURM_RESTART_COUNT
        # the program stops before that
        [[ $end != [0-9]* ]] || { SLURM_JOB_END_TIME=$(date -d "$end" +%s) && export SLURM_JOB_END_TIME; }
        [ "$restarts" = 0 ] || export SLURM_RESTART_COUNT=$restarts
        return
    done < <(squeue -h -r -j "${job:-none}" -O JobID:30,JobArrayID:60,EndTime:30,RestartCnt:10 2>/dev/null)
}

# Runs until the program ends; call in the background. As many ranks as the job has tasks, all cores of a task for its rank.
launch() {
    case ${PECLET_LAUNCHER:-srun} in
    srun) # since Slurm 22.05 it takes no notice of sbatch's --cpus-per-task; and after sbatch --export=NONE it passes nothing on
        [ -z "${SLURM_CPUS_PER_TASK:-}" ] || export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK
        exec srun --mpi="${PECLET_PMI:-pmix}" --export=ALL --kill-on-bad-exit=1 --input=none "$@"
        ;;
    mpirun) exec mpirun --bind-to none "$@" </dev/null ;;
    none) exec "$@" </dev/null ;;
    *)
        say "PECLET_LAUNCHER is '$PECLET_LAUNCHER'; srun and mpirun are known" >&2
        exit 2
        ;;
    esac
}

# Is a node of this job lost? The ranks of the others end within seconds; Slurm notices after SlurmdTimeout. So each node is
# asked to start something, and only if that fails Slurm is waited for.
node_lost() {
    local nodes=${SLURM_JOB_NUM_NODES:-1} patience end
    [ -n "${SLURM_JOB_NODELIST:-}" ] || return 1
    timeout 60 srun --overlap --mpi=none --export=ALL --input=none --nodes="$nodes" --ntasks="$nodes" --ntasks-per-node=1 --cpus-per-task=1 true &&
        return 1
    patience=$(scontrol show config | sed -n 's/^SlurmdTimeout *= *\([0-9]*\).*/\1/p')
    end=$((SECONDS + ${patience:-300} + 60))
    say "a node does not answer; waiting for Slurm to see it"
    while [ "$SECONDS" -lt "$end" ] && [ "$ended" -eq 0 ]; do
        sinfo -h -N -n "$SLURM_JOB_NODELIST" -o %T | grep -qE 'down|fail|\*' && return 0 # * does not respond
        sleep 2
    done
    return 1
}

# Into the queue again, unless it was often enough. Returns if it may not.
requeue() { # WHY
    local count=${SLURM_RESTART_COUNT:-0}
    if [ "$count" -ge "${PECLET_REQUEUES:-20}" ]; then
        say "not requeued: it was $count times (PECLET_REQUEUES)"
        return
    fi
    say "requeued after $1"
    trap - TERM
    scontrol requeue "$job" && sleep 600 # until Slurm ends this script
    say "scontrol requeue was refused: submit again to go on"
}

requeue_if_gained() { # after a checkpoint: not if nothing was gained since the last one
    local gained
    gained="$(json "$out/state.json" stage) $(json "$out/state.json" "done")"
    if [ "$gained" = "$(cat "$out/requeued" 2>/dev/null)" ]; then
        say "not requeued: nothing was gained since the last time ($gained)"
    else
        echo "$gained" >"$out/requeued"
        requeue "$gained"
    fi
}

# One command of the program as this job; returns its exit code.
job_run() { # COMMAND DECK OVERRIDES...
    local code state reason signal
    if ! out=$(run_folder "${@:2}") || [ -z "$out" ] || ! mkdir -p "$out"; then
        say "not started: no folder run.out, or it cannot be made: '$out'"
        return 2
    fi
    ask_slurm
    if [ "${SLURM_RESTART_COUNT:-0}" -gt "${PECLET_REQUEUES:-20}" ]; then # Slurm counts no requeues of its own
        say "not started: it was requeued $SLURM_RESTART_COUNT times (PECLET_REQUEUES)"
        return 75
    fi
    rm -f "$out/state.json" # of the leg before
    say "peclet $*, restart ${SLURM_RESTART_COUNT:-0}, nodes ${SLURM_JOB_NODELIST:-here}, tasks ${SLURM_NTASKS:-1}" |
        tee -a "$out/jobs.log"
    launch "$peclet" "$@" &
    pid=$!
    for signal in "${early[@]}"; do
        deliver "$signal" &
    done
    while kill -0 "$pid" 2>/dev/null; do
        wait "$pid" # a trapped signal ends the wait, not the program
    done
    wait "$pid"
    code=$?
    reason=$(json "$out/state.json" reason)
    state=$(json "$out/state.json" exit)
    if [ -n "$reason" ] && [ -n "$state" ]; then
        say "$reason, exit $state"
    else
        state=$((code > 0 ? code : 1))
        say "the program left no state.json; its launcher exited with $code"
    fi
    [ "$ended" -eq 0 ] || return "$state"
    case $reason in
    done) rm -f "$out/requeued" ;;
    signal | 'time limit') requeue_if_gained ;;
    '' | died | watchdog) ! node_lost || requeue "the loss of a node" ;;
    esac
    return "$state"
}
