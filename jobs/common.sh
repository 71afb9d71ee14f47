# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the batch scripts beside it. What they share: the machine's environment, the launcher, signals, requeueing.
#   PECLET            the program                      build/peclet of this tree, or peclet of the path
#   PECLET_MACHINE    folder of machines/, or a path   none: the environment as it is
#   PECLET_LAUNCHER   srun or mpirun                   srun
#   PECLET_PMI        srun's --mpi (srun --mpi=list)   pmix
#   PECLET_REQUEUES   most requeues of one job         20
#
# A job that is stopped early (before its time limit, or by `scancel --batch --signal=USR1 JOB`) writes a checkpoint, ends with
# 75 and is requeued: it keeps its number, so the jobs that wait for it keep waiting. What has happened is read from
# RUN.OUT/state.json, which the program writes last, never from the launcher: srun hides the code of a rank that dies alone.
set -uo pipefail
jobs=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [ -n "${PECLET_MACHINE:-}" ]; then
    machine=$PECLET_MACHINE
    [[ $machine == */* ]] || machine=$jobs/machines/$machine
    set +u # module systems read unset variables
    # shellcheck source=/dev/null
    source "$machine/env.sh" || exit 1
    set -u
fi
peclet=${PECLET:-$jobs/../build/peclet}
[ -n "${PECLET:-}" ] || [ -x "$peclet" ] || peclet=peclet # installed: in the path

say() {
    echo "$(date +%FT%T) job ${SLURM_JOB_ID:-here}: $*"
}

json() { # FILE KEY: the value of a key on a line of its own; empty if there is none
    sed -n "s/^ *\"$2\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p" "$1" 2>/dev/null
}

run_folder() { # DECK OVERRIDES...: its run.out
    "$peclet" deck "$@" </dev/null | sed -n "s/^  out = '\(.*\)'$/\1/p" | sed "s/''/'/g"
}

# Runs until the program ends; call in the background. As many ranks as the job has tasks, all cores of a task for its rank.
launch() {
    case ${PECLET_LAUNCHER:-srun} in
    srun) SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1} exec srun --mpi="${PECLET_PMI:-pmix}" --kill-on-bad-exit=1 --input=none "$@" ;;
    mpirun) exec mpirun --bind-to none "$@" </dev/null ;;
    none) exec "$@" </dev/null ;;
    *)
        say "PECLET_LAUNCHER is '$PECLET_LAUNCHER'; srun and mpirun are known" >&2
        exit 2
        ;;
    esac
}

# When Slurm will end the job, for the program (newer Slurms set it themselves).
find_end() {
    local end
    [ -z "${SLURM_JOB_END_TIME:-}" ] || return 0
    end=$(squeue -h -j "${SLURM_JOB_ID:-none}" -o %e 2>/dev/null) && end=$(date -d "$end" +%s 2>/dev/null) || return 0
    export SLURM_JOB_END_TIME=$end
}

# Signals for the program wait here until it has begun (it writes run.json then): earlier they would kill it.
forward() { # PID OUT
    while [ ${#signals[@]} -gt 0 ] && kill -0 "$1" 2>/dev/null; do
        if [ "$2/run.json" -nt "$2/jobs.log" ]; then
            say "SIG${signals[0]} for the program"
            kill -"${signals[0]}" "$1"
            signals=("${signals[@]:1}")
        else
            sleep 0.5
        fi
    done
}

# After a checkpoint: into the queue again, unless nothing was gained since the last time or it was often enough.
requeue() { # OUT
    local gained count=${SLURM_RESTART_COUNT:-0}
    gained="$(json "$1/state.json" stage) $(json "$1/state.json" "done")"
    if [ "$gained" = "$(cat "$1/requeued" 2>/dev/null)" ]; then
        say "not requeued: nothing was gained since the last time ($gained)"
    elif [ "$count" -ge "${PECLET_REQUEUES:-20}" ]; then
        say "not requeued: it was $count times (PECLET_REQUEUES)"
    else
        echo "$gained" >"$1/requeued"
        say "requeued after $gained"
        trap - TERM
        scontrol requeue "$SLURM_JOB_ID" && sleep 600 # until Slurm ends this script
        say "scontrol requeue was refused: submit again to go on"
    fi
}

# One command of the program as this job; returns its exit code.
job_run() { # COMMAND DECK OVERRIDES...
    local out pid code state=0 ended=0 signals=()
    trap 'signals+=(USR1)' USR1 # Slurm's --signal: the limit is near. Checkpoint, stop, requeue
    trap 'signals+=(USR2)' USR2 # checkpoint and go on
    trap 'ended=1' TERM         # cancelled or over the limit; Slurm tells the ranks itself
    out=$(run_folder "${@:2}") && [ -n "$out" ] && mkdir -p "$out" || return 2
    find_end
    rm -f "$out/state.json" # of the leg before
    say "peclet $*, restart ${SLURM_RESTART_COUNT:-0}, nodes ${SLURM_JOB_NODELIST:-here}, tasks ${SLURM_NTASKS:-1}" |
        tee -a "$out/jobs.log"
    launch "$peclet" "$@" &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        wait "$pid" # a trapped signal ends the wait, not the program
        forward "$pid" "$out"
    done
    wait "$pid"
    code=$?
    if [ -f "$out/state.json" ]; then
        state=$(json "$out/state.json" exit)
        say "$(json "$out/state.json" reason), exit $state"
    else
        state=$((code > 0 ? code : 1))
        say "the program left no state.json; its launcher exited with $code"
    fi
    [ "$state" -eq 0 ] && rm -f "$out/requeued"
    if [ "$state" -eq 75 ] && [ "$ended" -eq 0 ] && [ "$(json "$out/state.json" reason)" != stop ]; then
        requeue "$out"
    fi
    return "$state"
}
