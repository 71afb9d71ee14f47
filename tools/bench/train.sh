#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Training step of a U-Net against PyTorch, alternating, five rounds: median and spread of each, and the ratio of the
# fastest of PyTorch's four forms to ours.
#
# usage: tools/bench/train.sh BENCH_TRAIN [small|large] [key=value ...]      (keys: tools/bench/bench_train.c)
#   small (default): batch 64, 28 px, 32 channels, multipliers 1,2,2, one block a level, no attention
#   large: 64 channels, two blocks, attention at level 2 and in the middle
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
bench=${1:?usage: train.sh BENCH_TRAIN [small|large] [key=value ...]}
shift
net=small
if [[ ${1:-} == small || ${1:-} == large ]]; then
    net=$1
    shift
fi
arguments=()
[[ $net == large ]] && arguments=(width=64 blocks=2 attention=2 middle=1 steps=5)
arguments+=("$@")
echo "net $net ${arguments[*]}; load before: $(cut -d' ' -f1 /proc/loadavg)"
times=$(mktemp)
trap 'rm -f "$times"' EXIT
for _ in 1 2 3 4 5; do
    for type in fp32 bf16; do
        "$bench" type=$type "${arguments[@]}" | head -1
        for layout in nchw nhwc; do
            /usr/bin/python3 "$here/peer_train.py" type=$type layout=$layout "${arguments[@]}"
        done
    done
done >"$times"
/usr/bin/python3 - "$times" <<'END'
import statistics
import sys

rows = {}
for line in open(sys.argv[1]):
    who, kind, seconds = line.split()
    rows.setdefault(f"{who} {kind}", []).append(float(seconds))
for name, t in rows.items():
    print(f"{name:16s} median {statistics.median(t):.4f} s a step, {min(t):.4f} to {max(t):.4f}")


def best(who):
    name = min((n for n in rows if n.startswith(who)), key=lambda n: statistics.median(rows[n]))
    return name, rows[name]


(ours, a), (peer, b) = best("ours"), best("peer")
ratios = sorted(y / x for x, y in zip(a, b))
print(f"ratio {peer} / {ours}: median {statistics.median(ratios):.2f}, {ratios[0]:.2f} to {ratios[-1]:.2f}")
END
