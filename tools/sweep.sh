#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One deck, many runs: each line of OVERRIDES.txt is a run, its words are overrides (group.key=value), and name=WORD names it
# (otherwise it is run-LINE). Empty lines and lines that begin with # or ! are skipped. One table gathers the scores.
#   tools/sweep.sh DECK OVERRIDES.txt [-n RANKS] [-o FOLDER]       FOLDER: runs/ and the name of OVERRIDES.txt
# Runs go to FOLDER/NAME, the table to FOLDER/table.md and FOLDER/table.tsv; it is brought up to date after every run. Give
# the command again to go on: what is complete with this deck and these overrides is skipped. Exit: 0, 1 if a run failed,
# 75 if one was stopped.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/mpi_env.sh
source "$here/mpi_env.sh"
# shellcheck source=tools/sweep_list.sh
source "$here/sweep_list.sh"
peclet=${PECLET:-$here/../build/peclet}
usage() {
    echo "usage: tools/sweep.sh DECK OVERRIDES.txt [-n RANKS] [-o FOLDER]" >&2
    exit 2
}
[ $# -ge 2 ] || usage
deck=$1 list=$2 ranks=1 folder=runs/$(basename "$2" .txt)
shift 2
while getopts n:o: option; do
    case $option in
    n) ranks=$OPTARG ;;
    o) folder=$OPTARG ;;
    *) usage ;;
    esac
done
[ -r "$deck" ] && [ -r "$list" ] || { echo "cannot read $deck or $list" >&2; exit 2; }
[ -x "$peclet" ] || { echo "$peclet is not there: build first, or set PECLET" >&2; exit 2; }
launch=()
[ "$ranks" -gt 1 ] && launch=(mpirun --bind-to none -n "$ranks")
mkdir -p "$folder" || exit 1

sweep_read "$list" || exit 2
names=() failed=0
for i in "${!sweep_names[@]}"; do
    name=${sweep_names[i]} out=$folder/${sweep_names[i]}
    read -r -a overrides <<<"${sweep_overrides[i]}"
    names+=("$name")
    if sweep_complete "$out" "$deck" "${overrides[@]}"; then
        echo "$name: complete"
        continue
    fi
    rm -f "$out/sweep"
    echo "$name: ${overrides[*]}"
    "${launch[@]}" "$peclet" run "$deck" "${overrides[@]}" run.name="$name" run.out="$out" </dev/null
    result=$?
    if [ $result -eq 75 ]; then
        echo "$name was stopped; give the command again to go on" >&2
        exit 75
    elif [ $result -ne 0 ]; then
        echo "$name failed (exit $result)" >&2
        failed=1
    else
        sweep_mark "$out" "$deck" "${overrides[@]}"
    fi
    /usr/bin/env python3 "$here/sweep_table.py" "$folder" "${names[@]}" || failed=1
done
/usr/bin/env python3 "$here/sweep_table.py" "$folder" "${names[@]}" || failed=1
cat "$folder/table.md"
exit $failed
