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
unset PECLET_MACHINE PECLET_LAUNCHER PECLET_PMI PECLET_REQUEUES PECLET_JOBS SLURM_JOB_ID SLURM_JOB_END_TIME
cp "$source_dir/tests/cli/tiny.nml" .

start_slurm() { # NODES
    bash "$source_dir/tests/jobs/slurm_here.sh" start "$slurm" "$1"
    local code=$?
    export SLURM_CONF=$slurm/slurm.conf
    trap 'bash "$source_dir/tests/jobs/slurm_here.sh" stop "$slurm"; rm -rf "$work"' EXIT
    [ "$code" -eq 0 ] || exit "$code"
}

field() { # JOB NAME: of scontrol show job
    scontrol show job "$1" 2>/dev/null | grep -oE "\b$2=[^ ]*" | head -n 1 | cut -d= -f2
}

number_of() { # NAME, output of submit.sh on stdin: its job number
    sed -n "s/^$1: job //p"
}

wait_jobs() { # SECONDS JOB...: until all are over (one that waits for its next leg is not)
    local end=$((SECONDS + $1)) job
    shift
    for job in "$@"; do
        until [[ $(field "$job" JobState) =~ COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL ]]; do
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
