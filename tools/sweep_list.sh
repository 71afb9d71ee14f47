# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by tools/sweep.sh and jobs/: what a sweep's list says, and which of its runs are complete.

# sweep_read LIST: arrays sweep_names and sweep_overrides (words separated by blanks), one element a run
sweep_read() {
    local line words word name number=0
    sweep_names=() sweep_overrides=()
    [ -r "$1" ] || { echo "cannot read $1" >&2; return 2; }
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        read -r -a words <<<"$line"
        [ ${#words[@]} -gt 0 ] && [[ ${words[0]} != [#!]* ]] || continue
        name=run-$number line=''
        for word in "${words[@]}"; do
            case $word in
            name=*) name=${word#name=} ;;
            *) line+="${line:+ }$word" ;;
            esac
        done
        case " ${sweep_names[*]} " in *" $name "*) echo "$1:$number: two runs are named $name" >&2; return 2 ;; esac
        sweep_names+=("$name") sweep_overrides+=("$line")
    done <"$1"
}

sweep_key() { # DECK OVERRIDES...: what a run depends on
    cat "$1"
    shift
    printf '%s\n' "$@"
}

sweep_complete() { # FOLDER DECK OVERRIDES...: the run there is complete, and was made with these
    [ -f "$1/metrics.json" ] && [ "$(cat "$1/sweep" 2>/dev/null)" = "$(sweep_key "${@:2}")" ]
}

sweep_mark() { # FOLDER DECK OVERRIDES...
    sweep_key "${@:2}" >"$1/sweep"
}
