# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the scripts beside it, on the login node and in jobs: the machine's environment, the program, its files.
#   PECLET            the program                      build/peclet of this tree, or peclet of the path
#   PECLET_MACHINE    folder of machines/, or a path   none: the environment as it is
#   PECLET_LAUNCHER   srun or mpirun                   srun
#   PECLET_PMI        srun's --mpi (srun --mpi=list)   pmix
#   PECLET_REQUEUES   most requeues of one job         20
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

json() { # FILE KEY: the value of a key on a line of its own; empty if there is none
    sed -n "s/^ *\"$2\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p" "$1" 2>/dev/null
}

run_folder() { # DECK OVERRIDES...: its run.out
    "$peclet" deck "$@" </dev/null | sed -n "s/^  out = '\(.*\)'$/\1/p" | sed "s/''/'/g"
}

# For sites (SBATCH_EXPORT) and users that pass nothing of the environment on to jobs: what the scripts here need all the same.
export_option() { # SBATCH-OPTIONS...: the option --export to add to these, if one is needed
    local word what=${SBATCH_EXPORT:-ALL} needed
    for word in "$@"; do
        [[ $word != --export=* ]] || what=${word#--export=}
    done
    needed=$(IFS=, && echo "${!PECLET*}")
    case $what in
    ALL | ALL,*) ;;
    NONE | NIL) echo "--export=$needed" ;;
    *) echo "--export=$what,$needed" ;;
    esac
}
