#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Submits the stages of a deck to Slurm, each after the one before it has succeeded.
#   jobs/submit.sh [OPTIONS] DECK [group.key=value ...] [-- SBATCH OPTIONS]
#     -m NAME        machine: jobs/machines/NAME/{env.sh,settings} (or a folder; PECLET_MACHINE)
#     -n NODES       nodes of the stages that scale: precompute, train, sample, evaluate
#     -t TIME        their time limit (Slurm's formats)
#     --one          one job for all stages instead of a chain
#     --sweep LIST   one run a line of LIST instead (tools/sweep.sh), as an array in runs/NAME of LIST; a last job makes the table
#     --dry-run      print the commands, submit nothing
#     --no-check     do not try the deck here with 'peclet check'
# From the folder that paths in the deck are relative to. Logs go to run.out/logs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
usage() {
    sed -n '4,11s/^# //p' "$0" >&2
    exit 2
}

deck='' overrides=() extra=() list='' one=0 dry=0 check=1 given_nodes='' given_time=''
while [ $# -gt 0 ]; do
    case $1 in
    -m) PECLET_MACHINE=${2:?} && shift ;;
    -n) given_nodes=${2:?} && shift ;;
    -t) given_time=${2:?} && shift ;;
    --one) one=1 ;;
    --sweep) list=${2:?} && shift ;;
    --dry-run) dry=1 ;;
    --no-check) check=0 ;;
    --) shift && extra=("$@") && break ;;
    -*) usage ;;
    *.*=*) overrides+=("$1") ;;
    *) [ -z "$deck" ] && deck=$1 || usage ;;
    esac
    shift
done
[ -n "$deck" ] || usage
unset "${!SLURM_ARRAY@}" SLURM_CPUS_PER_TASK # inside a job: jobs would inherit them from here
export PECLET_JOBS=$here PECLET_MACHINE=${PECLET_MACHINE:-}
# shellcheck source=jobs/common.sh
source "$here/common.sh"
set -e
[ -x "$(command -v "$peclet")" ] || { echo "$peclet is not there: build first, or set PECLET" >&2; exit 2; }
PECLET=$(command -v "$peclet") && export PECLET # a job may have another path

# Of the machine. NAME_STAGE counts before NAME.
# shellcheck disable=SC2034 # read by name in setting()
nodes=1 tasks_per_node=1 gpus_per_node='' cpus_per_task='' time=01:00:00 nodes_import=1 array_limit='' sbatch_options=()
# shellcheck source=/dev/null
[ -z "$PECLET_MACHINE" ] || source "$machine/settings"
setting() { # NAME STAGE
    local special=${1}_$2
    case $1 in
    nodes) [ "$2" != import ] && [ -n "$given_nodes" ] && echo "$given_nodes" && return ;;
    time) [ "$2" != import ] && [ -n "$given_time" ] && echo "$given_time" && return ;;
    esac
    echo "${!special-${!1}}"
}

seconds() { # Slurm's M, M:S, H:M:S, D-H, D-H:M, D-H:M:S
    local days=0 rest=$1 part
    if [[ $1 == *-* ]]; then
        days=${1%%-*} rest=${1#*-}
        IFS=: read -r -a part <<<"$rest:0:0"
    else
        IFS=: read -r -a part <<<"$rest"
        case ${#part[@]} in
        1) part=(0 "${part[0]}" 0) ;;
        2) part=(0 "${part[@]}") ;;
        esac
    fi
    echo $((86400 * days + 3600 * 10#${part[0]} + 60 * 10#${part[1]} + 10#${part[2]}))
}

common=("${sbatch_options[@]}" "${extra[@]}") # options of every job
exported=$(export_option "${common[@]}")
[ -z "$exported" ] || common+=("$exported")

options() { # STAGE: to array `opts`
    local limit lead gpus cpus
    limit=$(setting time "$1") gpus=$(setting gpus_per_node "$1") cpus=$(setting cpus_per_task "$1")
    lead=$(($(seconds "$limit") / 10)) # Slurm may send the signal up to a minute before that
    [ "$lead" -le 300 ] || lead=300
    opts=(--nodes="$(setting nodes "$1")" --ntasks-per-node="$(setting tasks_per_node "$1")" --time="$limit"
        --signal="B:USR1@$lead" --output="$logs/%x-%j.log")
    [ -z "$gpus" ] || opts+=(--gpus-per-node="$gpus")
    [ -z "$cpus" ] || opts+=(--cpus-per-task="$cpus")
    opts+=("${common[@]}")
}

# submit NAME DEPENDENCY SBATCH-ARGUMENTS...: its job number in `id`
submit() {
    local name=$1 after=$2
    shift 2
    [ -z "$after" ] || set -- --dependency="$after" --kill-on-invalid-dep=yes "$@"
    if [ "$dry" -eq 1 ]; then
        printf 'sbatch --parsable' && printf ' %q' "$@" && echo
        id="<$name>"
    else
        id=$(sbatch --parsable "$@") || exit 1
        id=${id%%;*}
        echo "$name: job $id"
    fi
}

try() { # what no machine could ever run is refused here, not left to wait in the queue
    [ "$dry" -eq 1 ] || sbatch --test-only "$@" 2>&1 | sed 's/^/    /'
}

resolved=$("$peclet" deck "$deck" "${overrides[@]}" </dev/null) || exit 2
if [ "$check" -eq 1 ]; then
    device=(run.device=cpu) # there may be no GPU here
    [[ " ${overrides[*]} " == *" run.device="* ]] && device=()
    "$peclet" check "$deck" "${overrides[@]}" "${device[@]}" </dev/null || exit 2
fi
out=$(run_folder "$deck" "${overrides[@]}")
[ -z "$list" ] || out=runs/$(basename "$list" .txt)
logs=$out/logs
[ "$dry" -eq 1 ] || mkdir -p "$logs"

if [ -n "$list" ]; then
    # shellcheck source=tools/sweep_list.sh
    source "$here/../tools/sweep_list.sh"
    sweep_read "$list"
    options run
    array=(--array="1-${#sweep_names[@]}${array_limit:+%$array_limit}" --output="$logs/%x-%A-%a.log")
    try "${opts[@]}" "$here/sweep.sbatch"
    submit sweep '' "${opts[@]}" "${array[@]}" "$here/sweep.sbatch" "$deck" "$list" "$out" "${overrides[@]}"
    submit table "afterany:$id" --nodes=1 --ntasks=1 --time=10 --output="$logs/%x-%j.log" "${common[@]}" \
        "$here/sweep.sbatch" "$deck" "$list" "$out" "${overrides[@]}"
    exit 0
fi

stages=(run)
if [ "$one" -eq 0 ]; then # each needs the one before it, in whatever order the deck names them
    wanted=" $(sed -n "s/^  stages = //p" <<<"$resolved" | tr -d "',") "
    stages=()
    for stage in import precompute train sample evaluate; do
        [[ $wanted != *" $stage "* ]] || stages+=("$stage")
    done
fi
for stage in "${stages[@]}"; do
    options "$stage"
    try "${opts[@]}" "$here/$stage.sbatch"
done
after=''
for stage in "${stages[@]}"; do
    options "$stage"
    submit "$stage" "$after" "${opts[@]}" "$here/$stage.sbatch" "$deck" "${overrides[@]}"
    after=afterok:$id
done
