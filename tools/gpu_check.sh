#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What must be seen on a GPU, from the folder that tools/bundle.sh packs; each mode takes at most eight minutes (what
# there is no time for is left out and said), adds its lines to results.md and leaves what the programs said in logs/.
# Ends with 1 if a check failed.
#
# usage: ./gpu_check.sh parity|sanitize|train|bench [--device cuda|cpu]
#        ./gpu_check.sh peer [unet64|unet128|demo|judges] [--device cuda|cpu]       (PyTorch in $PYTHON, default python3)
#   parity    every operation against the plain reference, gradients against PyTorch's, the physics, NCCL with one rank
#   sanitize  the smallest cases under compute-sanitizer: memory, races, barriers; without cuDNN
#   train     losses step by step against the processor's, in fp32 and bf16; stopped and resumed; samples
#   bench     copy, matrix product, convolutions, norms; lattice updates; training steps; the whole program
#   peer      the same network in PyTorch, alternating with ours: training and 200 steps of sampling; judges: features
# bench and peer end with the table of what was to be reached. GPU_CHECK_SECONDS=N: another limit than eight minutes.
# With --device cpu everything runs on the processor, some of it smaller: a test of this script.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")" || exit 1
here=$PWD
mode=${1:-} net=unet64 device=cuda
shift
while [ $# -gt 0 ]; do
    case $1 in
        --device) device=${2:-}; shift ;;
        unet64 | unet128 | demo | judges) net=$1 ;;
        *) mode='' ;;
    esac
    shift
done
if [[ ! $mode =~ ^(parity|sanitize|train|bench|peer)$ || ! $device =~ ^(cpu|cuda)$ ]]; then
    sed -n '/^# usage/,/^set/p' "$0" | sed '$d; s/^# \?//'
    exit 2
fi
[ -x bin/peclet ] || { echo "gpu_check: no bin/peclet here; it runs in the folder that tools/bundle.sh packs"; exit 2; }
python=${PYTHON:-python3}
deadline=${GPU_CHECK_SECONDS:-460}
[[ $mode == peer && $device == cpu && $net != judges ]] && net=tiny
what=$mode
[ "$mode" = peer ] && what=peer-$net
logs=$here/logs/$what-$device
rm -rf "$logs"
mkdir -p "$logs" runs
failures=0
left_out=()

# Plans of convolutions are kept from run to run. Where the same run must come twice they are the library's first
# suggestions, elsewhere the fastest of a few.
export PECLET_CACHE=$here/cache/timed
if [[ $mode == parity || $mode == train ]]; then
    export PECLET_CACHE=$here/cache/first PECLET_CUDNN_PLANS=1
fi
mkdir -p "$PECLET_CACHE"

# CUDA's libraries: where the loader looks anyway, inside Python's packages, in the toolkit; the first that has one.
cuda_folders() {
    "$python" - <<'END' 2>/dev/null
import glob, importlib.util
spec = importlib.util.find_spec("nvidia")
for root in (spec.submodule_search_locations if spec else []):
    for folder in sorted(glob.glob(root + "/*/lib")):
        print(folder)
END
    ls -d /usr/local/cuda/lib64 /usr/local/cuda/targets/x86_64-linux/lib 2>/dev/null
}
LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$(cuda_folders | paste -sd :)
export LD_LIBRARY_PATH
missing=$(ldd bin/peclet 2>&1 | grep 'not found')
if [ -n "$missing" ]; then
    echo "gpu_check: libraries are missing (looked in $LD_LIBRARY_PATH; the program was $(cat MADE)):"
    echo "$missing"
    exit 1
fi

# The table.
say() { echo "$*" | tee -a results.md; }
driver='no NVIDIA driver'
command -v nvidia-smi >/dev/null && driver=$(nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader 2>&1 | head -n 1)
processor=$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)
say
say "## $what, device $device, $(date -u '+%F %H:%M') UTC"
say
say "Machine: $driver; $processor, $(nproc) CPUs; glibc $(ldd --version | sed -n '1s/.* //p'). $(cat MADE)."
say
say '| check | result | what was seen | s |'
say '| --- | --- | --- | --- |'

row() { # NAME RESULT SECONDS, lines seen on stdin: one row each
    local name=$1 result=$2 seconds=$3 line any=0
    while IFS= read -r line; do
        say "| $name | $result | ${line//|//} | $seconds |"
        any=1 name='' result='' seconds=''
    done
    [ "$any" = 1 ] || say "| $name | $result | | $seconds |"
}

# check NAME LIMIT PATTERN command...: runs it within LIMIT s and the mode's time; the lines that match PATTERN go to the
# table. 0 if it succeeded or was skipped (77). What the mode's time cuts off is no failure.
check() {
    local name=$1 limit=$2 pattern=$3 left=$((deadline - SECONDS)) start=$SECONDS code result
    local log=$logs/${name//[^a-zA-Z0-9]/_}.log
    shift 3
    if [ "$left" -lt 5 ]; then
        row "$name" 'left out' 0 <<<"no time left"
        left_out+=("$name")
        return 1
    fi
    timeout -k 5 "$((limit < left ? limit : left))" "$@" >"$log" 2>&1
    code=$?
    case $code in
        0) result=ok ;;
        77) result=skipped ;;
        124 | 137)
            result="STOPPED"
            if [ $((SECONDS - start)) -ge "$left" ]; then
                result='cut off'
                left_out+=("the rest of $name")
            fi
            ;;
        *) result="FAILED ($code)" ;;
    esac
    if [ "$code" -eq 0 ] || [ "$code" -eq 124 ]; then
        grep -E "$pattern" "$log" | tail -n 40 | row "$name" "$result" $((SECONDS - start))
    else
        tail -n 1 "$log" | row "$name" "$result" $((SECONDS - start))
    fi
    [[ $code -eq 0 || $code -eq 77 ]] && return 0
    [ "$result" = 'cut off' ] && return 1
    tail -n 15 "$log"
    failures=$((failures + 1))
    return 1
}

# ---- parity ----

parity() {
    check operations 300 'checks|left out|^c[pu]+d?a?: ' env ${small:+PECLET_OPS_MFLOP=2} bin/test_ops "$device"
    check 'network gradients' 120 'output|checks' bin/test_unet_golden "$device" tests/golden
    for test in call exact golden laws velocity paper; do
        check "physics $test" 120 'checks' "bin/test_adr_$test" "$device"
    done
    check 'sums over ranks' 60 '^sum' bin/bench_sums "$device" ${small:+1}
    [ "$device" = cuda ] || return
    for test in call exact laws; do
        check "physics $test, plain kernel" 60 'checks' env PECLET_ADR_KERNEL=pull "bin/test_adr_$test" "$device"
    done
    for test in call velocity; do # among others that a field's bits do not depend on its neighbours'
        check "physics $test, fields by cuFFT" 60 'checks' env PECLET_ADR_FIELDS=fft "bin/test_adr_$test" "$device"
    done
}

# ---- sanitize ----

# The environment is set before the tool, which follows the program that it starts; cuDNN's kernels are not ours.
sanitize() {
    local program
    program=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null)
    if [ -z "$program" ] || [ "$device" = cpu ]; then
        row sanitize skipped 0 <<<"no compute-sanitizer on this machine, or no GPU asked for"
        return
    fi
    export PECLET_CUDNN=0 PECLET_OPS_MFLOP=0.05
    for tool in memcheck racecheck synccheck; do
        for test in test_adr_call test_ops; do
            check "$tool $test" 200 'SUMMARY' "$program" --tool "$tool" --error-exitcode 99 "bin/$test" cuda
        done
    done
}

# ---- train ----

# The losses of run A against those of B, step by step: at most LIMIT apart, relative to B's. LIMIT is a number, or FACTOR
# times how far run C is from B, but no less than FACTOR times fp32's epsilon.
cat >"$logs/losses.py" <<'END'
import json, sys
a, b, limit = sys.argv[1:4]
a, b = ([json.loads(line) for line in open(f"runs/{name}/log.jsonl")] for name in (a, b))
def apart(x, y):
    assert [p["step"] for p in x] == [p["step"] for p in y], "the logs have not the same steps"
    return max((abs(p["loss"] - q["loss"]) / abs(q["loss"]), p["step"]) for p, q in zip(x, y))
text = limit
if len(sys.argv) > 4:
    c = [json.loads(line) for line in open(f"runs/{sys.argv[4]}/log.jsonl")]
    own = apart(c, b)[0]
    text = f"{limit} times the reference's own {own:.1e} with other vector instructions"
    limit = float(limit) * max(own, 2**-23)
worst, at = apart(a, b)
ends = f"loss {b[0]['loss']:.4g} to {b[-1]['loss']:.4g} in {len(b)} steps"
print(f"largest relative difference {worst:.2e} at step {at}, limit {float(limit):.1e} ({text}); {ends}")
sys.exit(not worst <= float(limit))
END

begin() { # NAME: a run that starts from the common data
    rm -rf "runs/$1"
    mkdir -p "runs/$1"
    cp runs/data/dataset.h5 runs/data/trajectories.h5 "runs/$1"
}

training() { # NAME DEVICE PRECISION STEPS [VARIABLE=VALUE ...]
    check "train $1" 200 '^total' env "${@:5}" bin/peclet train decks/train.nml run.out="runs/$1" run.device="$2" run.precision="$3" \
        train.steps="$4" "${smaller[@]}"
}

stopped_and_resumed() {
    begin resumed
    training resumed "$device" fp32 $((steps / 2))
    touch runs/resumed/STOP
    check 'stop' 60 stopped bash -c '"$@"; [ $? -eq 75 ]' stop bin/peclet train decks/train.nml run.out=runs/resumed \
        run.device="$device" run.precision=fp32 train.steps="$steps" "${smaller[@]}"
    rm -f runs/resumed/STOP
    training resumed "$device" fp32 "$steps"
    check 'resumed is bit-equal' 60 same bash -c "cmp <(sed 's/\"images_per_s.*//' runs/fp32/log.jsonl) \
        <(sed 's/\"images_per_s.*//' runs/resumed/log.jsonl) && echo 'the same losses and gradient norms, digit by digit'"
}

train() {
    local reference=cpu steps=20 smaller=()
    if [ -n "$small" ]; then
        reference=ref steps=6
        smaller=("unet.multipliers=1,1" unet.attention_levels=-1 unet.middle_attention=.false. train.batch=2)
    fi
    rm -rf runs/data
    for stage in import precompute; do
        check "$stage" 100 '^total' bin/peclet "$stage" decks/train.nml run.out=runs/data run.device=cpu || return
    done
    for name in "$reference-fp32" cpu-again fp32 bf16; do
        begin "$name"
    done
    training "$reference-fp32" "$reference" fp32 "$steps"
    training cpu-again cpu fp32 "$steps" PECLET_ISA=generic ONEDNN_MAX_CPU_ISA=SSE41 DNNL_MAX_CPU_ISA=SSE41
    training fp32 "$device" fp32 "$steps"
    training bf16 "$device" bf16 "$steps"
    check 'loss, fp32' 60 difference "$python" "$logs/losses.py" fp32 "$reference-fp32" "$fp32_factor" cpu-again
    check 'loss, bf16' 60 difference "$python" "$logs/losses.py" bf16 "$reference-fp32" "$bf16_limit"
    stopped_and_resumed
    check 'sample' 100 '^total' bin/peclet sample decks/train.nml run.out=runs/fp32 run.device="$device" run.precision=fp32 \
        train.steps="$steps" "${smaller[@]}"
}

# ---- bench ----

networks() { # the networks that are timed, one a line: name and keys of bench_train
    if [ -n "$small" ]; then
        echo 'tiny side=16 channels=3 batch=2 width=32 mult=1,2 blocks=1 attention=1 middle=1 steps=2 threads=1'
        return
    fi
    echo 'unet64 side=64 channels=3 batch=64 width=128 mult=1,2,2,3 blocks=2 attention=3 middle=1 steps=20'
    echo 'unet128 side=128 channels=3 batch=32 width=128 mult=1,1,2,3,4 blocks=2 attention=4 middle=1 steps=20'
    echo 'demo side=28 channels=1 batch=256 width=32 mult=1,2,2 blocks=1 attention=-1 middle=0 steps=30'
}

whole_program() { # NAME [override ...]
    local name=$1 side=${1#unet}
    "$python" tools/draw.py "data/drawn$side.idx.gz" $((small ? 16 : 512)) "$side"
    "$python" tools/draw.py "data/drawn$side-test.idx.gz" 16 "$side" 100000
    rm -rf "runs/$name"
    for stage in import train sample; do
        check "$name $stage" 150 '^total' bin/peclet "$stage" "decks/$name.nml" run.device="$device" "${@:2}" || return
    done
    tail -n 1 "runs/$name/log.jsonl" | grep -o '"images_per_s.*' | tr -d '"}' | row "$name, images a second" ok ''
}

steps() { # TYPE SIGMA: a training step of every network, and corruption up to SIGMA px before it
    local words
    while read -r -a words; do
        check "step of ${words[0]}, $1" 200 '^ours|^corrupt|^  ' bin/bench_train device="$device" type="$1" parts=1 sigma="$2" \
            "${words[@]:1}"
    done < <(networks)
}

bench() {
    check ceilings 150 '/s ' bin/bench_device "$device" ${small:+2 32 256}
    check 'lattice Boltzmann' 120 'GLUPS' bin/bench_adr "$device" ${small:+1 28}
    if [ -n "$small" ]; then
        steps bf16 4
        whole_program unet64 unet.channels=32 unet.multipliers=1,1 unet.blocks=1 unet.attention_levels=-1 forward.levels=4 \
            train.steps=2 train.batch=2 train.log_every=1 sample.count=2 sample.batch=2
    else
        steps bf16 20
        whole_program unet64
        steps fp32 0
        whole_program unet128
    fi
}

# ---- peer ----

peer() {
    local keys
    if ! "$python" -c 'import torch, numpy' 2>/dev/null; then
        row "peer" skipped 0 <<<"no PyTorch in $python"
        return
    fi
    if [ "$net" = judges ]; then
        check 'peer judges' "$deadline" ': (peer|left)' "$python" tools/bench/peer_judges.py bin/bench_judges device="$device" \
            budget=$((deadline - SECONDS - 10)) ${small:+nets=squeeze batch=1 steps=1 repeats=2 threads=1}
        return
    fi
    keys=$(networks | sed -n "s/^$net //p")
    # shellcheck disable=SC2086 # the keys are words
    check "peer $net" "$deadline" '^(train|sample|parameters)' "$python" tools/bench/peer_unet.py bin/bench_train device="$device" \
        budget=$((deadline - SECONDS - 10)) $keys ${small:+levels=3 sample_batch=2 repeats=2 forms=eager}
}

# Losses of 20 steps on the cpu device: fp32 with one set of vector instructions against another 1.2e-7, bf16 against fp32
# 1.1e-3 (4.0e-3 with batches of 2), of which TF32, three bits more, would be about an eighth. The factor allows for other
# orders of summation and finds TF32.
small='' fp32_factor=300 bf16_limit=5e-3
[ "$device" = cpu ] && small=1 bf16_limit=2e-2
case $mode in
    parity) parity ;;
    sanitize) sanitize ;;
    train) train ;;
    bench) bench ;;
    peer) peer ;;
esac
if [[ $mode == bench || $mode == peer ]]; then
    say
    say '| what | target | aim | reached | |'
    say '| --- | --- | --- | --- | --- |'
    "$python" tools/targets.py logs "$device" | tee -a results.md
fi
say
say "$failures checks failed; $SECONDS s."
[ "${#left_out[@]}" -eq 0 ] || say "Left out for want of time: $(printf '%s; ' "${left_out[@]}")"
exit $((failures > 0))
