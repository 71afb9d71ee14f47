#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fifty sudden deaths: a rank or the whole job is killed (SIGKILL) at a random moment of every stage, and the stage goes on with a
# random number of ranks. Data, trajectories and samples end byte-equal to those of an undisturbed run, the training state equal
# up to the order of summation, the scores too.
#
# What a death may cost the training: the steps since the last checkpoint that is whole on disk, and none that is on disk is passed
# over. A checkpoint is written while the training goes on, and the next one waits for it: so no more than one interval and what is
# trained during one write, which is at most another interval.
# PECLET_KILLS=500 for a longer test, PECLET_SEED=n for another one.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"
need_images
wanted=${PECLET_KILLS:-50} seed=${PECLET_SEED:-1} workers=2
interval=4 steps=60
stages=(import precompute train sample evaluate)
# mpirun asks the other ranks of a dead one to stop (TERM) before it kills them; ours would take that as a stop request
export OMPI_MCA_odls_base_sigkill_timeout=0
cat >deck.nml <<EOF
&run name = 'faults', out = 'whole', precision = 'fp32' /
&dataset path = '$images', test_path = '${images/train/t10k}', limit = 400, test_limit = 60 /
&forward levels = 12, pe = 8.0 /
&unet channels = 32, multipliers = 1, 1, blocks = 1, attention_levels = -1, middle_attention = .false., dropout = 0.0 /
&train steps = $steps, batch = 12, warmup = 10, ema = 0.9, checkpoint_every = $interval, log_every = 1 /
&sample count = 120, batch = 10 /
EOF
expect 0 total "$peclet" run deck.nml

ranks_of() { # the processes of the job in folder $1 that are ranks (not the launcher)
    pgrep -f "run.out=$work/$1 " | while read -r pid; do
        grep -qz '^OMPI_COMM_WORLD_RANK=' "/proc/$pid/environ" 2>/dev/null && echo "$pid"
    done
}

# A job of stage $1 in folder $2 with $3 ranks, killed $4 seconds after its ranks began if it still runs. Sets code and killed.
launch_and_kill() {
    local launcher victim
    killed=0
    setsid mpirun --bind-to none -n "$3" "$peclet" "$1" deck.nml run.out="$work/$2" run.name=faults >"$log" 2>&1 &
    launcher=$!
    while [ -z "$(ranks_of "$2")" ] && kill -0 "$launcher" 2>/dev/null; do
        sleep 0.02
    done
    sleep "$4"
    if kill -0 "$launcher" 2>/dev/null; then
        victim=$(ranks_of "$2" | shuf -n 1 --random-source=<(yes "$RANDOM"))
        if [ -n "$victim" ]; then
            killed=1
            if [ $((RANDOM % 3)) -eq 0 ]; then # the whole job
                kill -KILL -- "-$launcher" 2>/dev/null
                pkill -KILL -f "run.out=$work/$2 " 2>/dev/null
            else
                kill -KILL "$victim" 2>/dev/null
            fi
        fi
    fi
    # mpirun 4.1 may wait for ever if a rank dies while it starts (its own deadlock): the scheduler's part, the wall time
    for ((i = 0; killed && i < 300; i++)); do
        kill -0 "$launcher" 2>/dev/null || break
        sleep 0.05
    done
    [ "$killed" -eq 1 ] && kill -KILL -- "-$launcher" 2>/dev/null
    wait "$launcher" 2>/dev/null
    code=$?
    pkill -KILL -f "run.out=$work/$2 " 2>/dev/null
    [ "$code" -eq 0 ] && killed=0
}

last_step() { tail -n 1 "$1/log.jsonl" 2>/dev/null | sed -n 's/.*"step": *\([0-9]*\).*/\1/p'; }

newest() { # the step of the last checkpoint that has its name in folder $1; 0 if there is none
    local file
    file=$(find "$1/checkpoints" -name 'step-*.h5' 2>/dev/null | sort | tail -n 1)
    file=${file##*step-}
    echo $((10#0${file%.h5}))
}

# After a start of the training in folder $1 whose log had come to step $2, with step $3 on disk.
count_lost() {
    local resumed lost
    grep -q 'network:' "$log" || return # killed before it was that far; 'going on' comes before this line
    resumed=$(sed -n 's/going on from the checkpoint of step \([0-9]*\)/\1/p' "$log")
    [ "${resumed:-0}" -eq "$3" ] || fail "went on from step ${resumed:-0} with a checkpoint of step $3 on disk"
    lost=$((${2:-0} - ${resumed:-0}))
    echo "lost $lost" >>"$record"
    [ "$lost" -le $((2 * interval)) ] || fail "$lost steps were lost, checkpoints are $interval apart"
}

# Until the stage is done. A stage that does not get further however long it may run is a failure.
stage() { # STAGE FOLDER
    local tries=0 delay before saved
    code=1
    while [ "$code" -ne 0 ] && [ "$tries" -lt 60 ]; do
        before=$(last_step "$2")
        saved=$(newest "$2")
        delay=$(awk -v r="$RANDOM" -v n="$tries" 'BEGIN { print 0.9 * r / 32768 + 0.03 * n * n }')
        launch_and_kill "$1" "$2" $((1 + RANDOM % 3)) "$delay"
        tries=$((tries + 1))
        echo "start $1" >>"$record"
        [ "$killed" -eq 1 ] && echo "kill $1" >>"$record"
        [ "$code" -ne 0 ] && [ "$killed" -eq 0 ] && fail "$1 failed by itself: $(tail -n 5 "$log")" && return
        [ "$1" = train ] && count_lost "$2" "$before" "$saved"
    done
    [ "$code" -eq 0 ] || fail "$1 did not end in $tries starts: $(tail -n 5 "$log")"
}

all_hit() { # is there a kill of every stage?
    local name
    for name in "${stages[@]}"; do
        [ "$(count "kill $name")" -gt 0 ] || return 1
    done
}

count() { cat record.* 2>/dev/null | grep -c "^$1"; }

whole_run() { # FOLDER: all stages under fire, against the undisturbed run
    local name last
    for name in import precompute train; do
        stage "$name" "$1"
    done
    same whole/dataset.h5 "$1/dataset.h5"
    same whole/trajectories.h5 "$1/trajectories.h5"
    last=$(printf 'step-%08d.h5' "$steps")
    /usr/bin/python3 "$source_dir/tests/cli/near.py" state whole/checkpoints/"$last" "$1/checkpoints/$last" || fail "the training state differs"
    rm -rf "$1/checkpoints" # samples of the same network can be compared byte by byte
    cp -r whole/checkpoints "$1/"
    stage sample "$1"
    same whole/samples.h5 "$1/samples.h5"
    stage evaluate "$1"
    /usr/bin/python3 "$source_dir/tests/cli/near.py" scores whole/metrics.json "$1/metrics.json" || fail "the scores differ"
    rm -rf "$1"
}

# Most of a start is waiting for launchers, so two runs go side by side.
worker() { # NUMBER
    local round=0
    RANDOM=$((seed * workers + $1))
    log=kill.$1.log record=record.$1
    failures=0
    while { [ "$(count kill)" -lt "$wanted" ] || ! all_hit; } && [ "$round" -lt 40 ] && [ "$failures" -eq 0 ]; do
        round=$((round + 1))
        echo "round" >>"$record"
        whole_run "killed$1-$round"
    done
    return "$((failures > 0))"
}

pids=()
for ((w = 1; w <= workers; w++)); do
    (trap - EXIT && worker "$w") &
    pids+=($!)
done
for pid in "${pids[@]}"; do
    wait "$pid" || failures=$((failures + 1))
done
[ "$(count kill)" -ge "$wanted" ] || fail "only $(count kill) kills"
for name in "${stages[@]}"; do
    echo "$name: $(count "kill $name") kills in $(count "start $name") starts"
done
all_hit || fail "a stage was never hit"
echo "$(count kill) kills in $(count round) rounds; at most $(sed -n 's/lost //p' record.* | sort -n | tail -n 1) steps lost (checkpoints every $interval)"
finish
