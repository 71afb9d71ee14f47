# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the tests of the job scripts: the helpers of the command-line tests, and a throw-away Slurm (slurm_here.sh).
source "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
# shellcheck disable=SC2034 # for the scripts that source this
submit=$source_dir/jobs/submit.sh
slurm=$work/slurm
chmod 755 "$work" # munged wants its way to the socket open
export OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo OMPI_MCA_hwloc_base_binding_policy=none
export OMP_NUM_THREADS=1 PECLET=$peclet
unset "${!PECLET_@}" SLURM_JOB_ID SLURM_JOB_END_TIME # a job takes all of PECLET_* along
cp "$source_dir/tests/cli/tiny.nml" .

start_slurm() { # NODES [TIMEOUT]
    bash "$source_dir/tests/jobs/slurm_here.sh" start "$slurm" "$@"
    local code=$?
    export SLURM_CONF=$slurm/slurm.conf
    trap '[ "$failures" -eq 0 ] || show_logs; bash "$source_dir/tests/jobs/slurm_here.sh" stop "$slurm"; rm -rf "$work"' EXIT
    [ "$code" -eq 0 ] || exit "$code"
}

show_logs() { # of the jobs, and what the daemons complained about
    local log
    while read -r log; do
        echo "--- $log" && tail -n 30 "$log"
    done < <(find . -path ./slurm -prune -o -name '*.log' -print)
    grep -iE 'error|fatal|fail|requeue|not resp|down' "$slurm"/log/*.log | grep -vE 'MailProg|state file|NOTE:|Domain socket|topo_load' |
        sed "s|^$slurm/log/||" | tail -n 60
    squeue -r -o '%i %j %T %r'
}

field() { # JOB NAME: of scontrol show job
    scontrol show job "$1" 2>/dev/null | grep -oE "\b$2=[^ ]*" | head -n 1 | cut -d= -f2
}

number_of() { # NAME, output of submit.sh on stdin: its job number
    sed -n "s/^$1: job //p"
}

# A requeued job starts two minutes later (Slurm's cred_expire). Here at once, when its last leg is gone from every node: the step of
# the next has the same name. But not in the same second: what a node was told to kill then it does not launch ("already killed").
hurry() { # JOB
    local number
    [[ $(field "$1" JobState) == PENDING && $(field "$1" Reason) == BeginTime ]] || return 0
    number=$(field "$1" JobId)
    [ -z "$(find "$slurm/spool" "$slurm/priv" -name "*[._]$number.[0-9]*" 2>/dev/null)" ] || return 0
    sleep 1.1
    scontrol update jobid="$1" starttime=now
}

wait_jobs() { # SECONDS JOB...: until all are over (one that waits for its next leg is not)
    local end=$((SECONDS + $1)) job
    shift
    for job in "$@"; do
        until [[ $(field "$job" JobState) =~ COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL ]]; do
            hurry "$job"
            [ "$SECONDS" -lt "$end" ] || { fail "job $job is not over: $(field "$job" JobState) $(field "$job" Reason)"; return; }
            sleep 0.3
        done
    done
}

wait_for() { # SECONDS WHAT COMMAND...: until it succeeds
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || { fail "$what did not come"; return 1; }
        sleep 0.2
    done
}

ended() { # JOB STATE [EXIT:SIGNAL]: how it must have ended
    local state
    state=$(field "$1" JobState)
    [ "$state" = "$2" ] && [[ -z ${3:-} || $(field "$1" ExitCode) == "${3:-}" ]] && return
    fail "job $1 ended as $state $(field "$1" ExitCode), wanted $2 ${3:-}"
    tail -n 8 "$(field "$1" StdOut)"
}
