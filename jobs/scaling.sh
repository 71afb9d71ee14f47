#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How a deck scales: the same deck on several numbers of ranks, and one table and plot of their timings, beside a model.
#   jobs/scaling.sh weak|strong --ranks 1,2,4,8 [OPTIONS] DECK [group.key=value ...]
#     --local        run the points here, one after the other, with mpirun; otherwise each is a Slurm job, the table the last
#     -m NAME        machine, as for jobs/submit.sh (its tasks_per_node ranks go on a node)
#     -t TIME        time limit of a point
#     -o FOLDER      runs/scaling-NAME-weak (or -strong), NAME that of the deck
#     --dry-run      print the commands only
#     --table        only the table, from the points there are
# strong: the deck as it is, on every number of ranks. weak: train.batch, dataset.limit and sample.count are those of the deck on
# one rank (all three are needed), and grow with the ranks. Point N is FOLDER/ranks-N; a complete one is kept. Evaluation is
# left out.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
usage() {
    sed -n '4,14s/^# //p' "$0" >&2
    exit 2
}

kind=${1:-} deck='' overrides=() ranks='' local=0 dry=0 table=0 folder='' given_time=''
[[ $kind == weak || $kind == strong ]] || usage
shift
while [ $# -gt 0 ]; do
    case $1 in
    --ranks) ranks=${2:?} && shift ;;
    --local) local=1 ;;
    --dry-run) dry=1 ;;
    --table) table=1 ;;
    -m) PECLET_MACHINE=${2:?} && shift ;;
    -t) given_time=${2:?} && shift ;;
    -o) folder=${2:?} && shift ;;
    *.*=*) overrides+=("$1") ;;
    -*) usage ;;
    *) [ -z "$deck" ] && deck=$1 || usage ;;
    esac
    shift
done
[ -n "$deck" ] && [[ $ranks =~ ^[1-9][0-9]*(,[1-9][0-9]*)*$ || $table -eq 1 ]] || usage
unset "${!SLURM_ARRAY@}" SLURM_CPUS_PER_TASK # inside a job: jobs would inherit them from here
export PECLET_JOBS=$here PECLET_MACHINE=${PECLET_MACHINE:-} PECLET_REQUEUES=0
# shellcheck source=jobs/common.sh
source "$here/common.sh"
set -e
[ ! -x "$(command -v "$peclet")" ] || { PECLET=$(command -v "$peclet") && export PECLET; } # a job may have another path
folder=${folder:-runs/scaling-$(basename "$deck" .nml)-$kind}

tasks_per_node=1 gpus_per_node='' cpus_per_task='' sbatch_options=()
# shellcheck source=/dev/null
[ -z "$PECLET_MACHINE" ] || source "$machine/settings"
exported=$(export_option "${sbatch_options[@]}")
[ -z "$exported" ] || sbatch_options+=("$exported")
resolved=$("$peclet" deck "$deck" "${overrides[@]}" </dev/null) || exit 2

value() { # GROUP.KEY
    sed -n "/^&${1%.*}$/,/^\/$/s/^  ${1#*.} = //p" <<<"$resolved"
}

point() { # RANKS: the point's arguments in `words`
    local given=" ${overrides[*]} " word
    words=()
    for word in "${overrides[@]}"; do
        [ "$kind" = weak ] && [[ $word == train.batch=* || $word == dataset.limit=* || $word == sample.count=* ]] && continue
        words+=("$word")
    done
    if [ "$kind" = weak ]; then
        for word in train.batch dataset.limit sample.count; do
            words+=("$word=$(($(value "$word") * $1))")
        done
    fi
    [[ $given == *" run.stages="* ]] || words+=("run.stages=import,precompute,train,sample")
    words+=(run.out="$folder/ranks-$1")
}

make_table() {
    /usr/bin/env python3 "$here/scaling_table.py" "$kind" "$folder" && cat "$folder/table.md"
}

if [ "$table" -eq 1 ]; then
    make_table
    exit
fi
if [ "$kind" = weak ] && [ "$(value dataset.limit)" = 0 ]; then
    echo "weak scaling: dataset.limit = 0 is all images on any number of ranks; give it the images of one rank" >&2
    exit 2
fi
submitted=''
for n in ${ranks//,/ }; do
    point "$n"
    out=$folder/ranks-$n
    if [ "$(json "$out/state.json" exit)" = 0 ]; then
        echo "$n rank(s): complete; remove $out to measure it again"
        continue
    fi
    # a half-done point would go on where it stopped, and its timings would be those of the rest
    [ "$dry" -eq 1 ] || rm -rf "${out:?}"/{timings,state,run}.json "$out"/{dataset,trajectories,samples}.h5 "$out/checkpoints"
    if [ "$local" -eq 1 ]; then
        command=(mpirun --bind-to none -n "$n" "$peclet" run "$deck" "${words[@]}")
        [ "$dry" -eq 0 ] || { echo "${command[*]}"; continue; }
        echo "$n rank(s)"
        (# shellcheck source=tools/mpi_env.sh
            source "$here/../tools/mpi_env.sh"
            "${command[@]}" </dev/null) || exit 1
    else
        per_node=$((n < tasks_per_node ? n : tasks_per_node))
        options=(--nodes=$(((n + per_node - 1) / per_node)) --ntasks="$n" --ntasks-per-node="$per_node" --time="${given_time:-30}"
            --exclusive --no-requeue --output="$out/%x-%j.log" --job-name="peclet-$kind-$n")
        [ -z "$gpus_per_node" ] || options+=(--gpus-per-node="$per_node")
        [ -z "$cpus_per_task" ] || options+=(--cpus-per-task="$cpus_per_task")
        command=(sbatch --parsable "${options[@]}" "${sbatch_options[@]}" "$here/scaling.sbatch" "$deck" "${words[@]}")
        [ "$dry" -eq 0 ] || { echo "${command[*]}"; continue; }
        mkdir -p "$out"
        id=$("${command[@]}") || exit 1
        echo "$n rank(s): job ${id%%;*}"
        submitted+=:${id%%;*}
    fi
done
[ "$dry" -eq 0 ] || exit 0
if [ "$local" -eq 1 ] || [ -z "$submitted" ]; then
    make_table
else
    id=$(sbatch --parsable --dependency="afterany$submitted" --ntasks=1 --time=10 --output="$folder/%x-%j.log" \
        "${sbatch_options[@]}" "$here/scaling.sbatch" table "$kind" "$folder")
    echo "table: job ${id%%;*}, to $folder/table.md"
fi
