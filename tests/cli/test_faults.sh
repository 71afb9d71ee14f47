#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fifty sudden deaths: a rank or the whole job is killed (SIGKILL) at a random moment of every stage, and the stage goes on with a
# random number of ranks. Data, trajectories and samples end byte-equal to those of an undisturbed run, the training state equal
# up to the order of summation, the scores too; no death costs more than one checkpoint interval.
# PECLET_KILLS=500 for a longer test, PECLET_SEED=n for another one.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"
need_images
wanted=${PECLET_KILLS:-50}
RANDOM=${PECLET_SEED:-1}
interval=4 steps=60
cat >deck.nml <<EOF
&run name = 'faults', out = 'whole', precision = 'fp32' /
&dataset path = '$images', test_path = '${images/train/t10k}', limit = 400, test_limit = 60 /
&forward levels = 12, pe = 8.0 /
&unet channels = 32, multipliers = 1, 1, blocks = 1, attention_levels = -1, middle_attention = .false., dropout = 0.0 /
&train steps = $steps, batch = 12, warmup = 10, ema = 0.9, checkpoint_every = $interval, log_every = 1 /
&sample count = 120, batch = 10 /
EOF
expect 0 total "$peclet" run deck.nml
kills=0 worst=0 starts=0

ranks_of() { # the processes of the job in folder $1 that are ranks (not the launcher)
    pgrep -f "run.out=$work/$1" | while read -r pid; do
        grep -qz '^OMPI_COMM_WORLD_RANK=' "/proc/$pid/environ" 2>/dev/null && echo "$pid"
    done
}

# A job of stage $1 in folder $2 with $3 ranks, killed $4 seconds after its ranks began if it still runs. Sets code and killed.
launch_and_kill() {
    local launcher victim
    killed=0
    setsid mpirun --bind-to none -n "$3" "$peclet" "$1" deck.nml run.out="$work/$2" >kill.log 2>&1 &
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
                pkill -KILL -f "run.out=$work/$2" 2>/dev/null
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
    pkill -KILL -f "run.out=$work/$2" 2>/dev/null
    [ "$code" -eq 0 ] && killed=0
}

last_step() { tail -n 1 "$1/log.jsonl" 2>/dev/null | sed -n 's/.*"step": *\([0-9]*\).*/\1/p'; }

# Until the stage is done. A stage that does not get further however long it may run is a failure.
stage() { # STAGE FOLDER
    local tries=0 delay before resumed
    code=1
    while [ "$code" -ne 0 ] && [ "$tries" -lt 60 ]; do
        before=$(last_step "$2")
        delay=$(awk -v r="$RANDOM" -v n="$tries" 'BEGIN { print 0.9 * r / 32768 + 0.03 * n * n }')
        launch_and_kill "$1" "$2" $((1 + RANDOM % 3)) "$delay"
        kills=$((kills + killed))
        tries=$((tries + 1))
        starts=$((starts + 1))
        [ "$code" -ne 0 ] && [ "$killed" -eq 0 ] && fail "$1 failed by itself: $(tail -n 5 kill.log)" && return
        resumed=$(sed -n 's/going on from the checkpoint of step \([0-9]*\)/\1/p' kill.log)
        if [ "$1" = train ] && [ -n "$before" ] && grep -q 'network:' kill.log; then
            local lost=$((before - ${resumed:-0}))
            [ "$lost" -gt "$worst" ] && worst=$lost
        fi
    done
    [ "$code" -eq 0 ] || fail "$1 did not end in $tries starts: $(tail -n 5 kill.log)"
}

round=0
while [ "$kills" -lt "$wanted" ] && [ "$round" -lt 40 ] && [ "$failures" -eq 0 ]; do
    round=$((round + 1))
    folder=killed$round
    for name in import precompute train; do
        stage "$name" "$folder"
    done
    same whole/dataset.h5 "$folder/dataset.h5"
    same whole/trajectories.h5 "$folder/trajectories.h5"
    last=$(printf 'step-%08d.h5' "$steps")
    /usr/bin/python3 "$source_dir/tests/cli/near.py" state whole/checkpoints/"$last" "$folder/checkpoints/$last" || fail "the training state differs"
    rm -rf "$folder/checkpoints" # samples of the same network can be compared byte by byte
    cp -r whole/checkpoints "$folder/"
    stage sample "$folder"
    same whole/samples.h5 "$folder/samples.h5"
    stage evaluate "$folder"
    /usr/bin/python3 "$source_dir/tests/cli/near.py" scores whole/metrics.json "$folder/metrics.json" || fail "the scores differ"
    rm -rf "$folder"
done
[ "$kills" -ge "$wanted" ] || fail "only $kills kills"
[ "$worst" -le "$interval" ] || fail "$worst steps were lost, the interval is $interval"
echo "$kills kills in $starts starts, $round rounds; at most $worst steps lost (checkpoints every $interval)"
finish
