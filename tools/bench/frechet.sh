#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Frechet distance of 2048 features against scipy.linalg.sqrtm on the same moments, alternating, five rounds: median and
# spread of each, their ratio, and how well the two distances agree.
#
# usage: tools/bench/frechet.sh BENCH_FRECHET [FEATURES [ROWS]]
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
bench=${1:?usage: frechet.sh BENCH_FRECHET [FEATURES [ROWS]]}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
echo "load before: $(cut -d' ' -f1 /proc/loadavg)"
"$bench" make "$folder/moments" "${2:-2048}" "${3:-10000}"
for _ in 1 2 3 4 5; do
    "$bench" time "$folder/moments"
    /usr/bin/python3 "$here/peer_frechet.py" "$folder/moments"
done >"$folder/times"
/usr/bin/python3 - "$folder/times" <<'END'
import statistics
import sys

seconds, distance = {}, {}
for line in open(sys.argv[1]):
    who, s, d = line.split()
    seconds.setdefault(who, []).append(float(s))
    distance[who] = float(d)
for who, t in seconds.items():
    print(f"{who:6s} median {statistics.median(t):.3f} s, {min(t):.3f} to {max(t):.3f}; distance {distance[who]:.9g}")
ratios = sorted(b / a for a, b in zip(seconds["ours"], seconds["scipy"]))
print(f"ratio scipy / ours: median {statistics.median(ratios):.2f}, {ratios[0]:.2f} to {ratios[-1]:.2f}")
print(f"relative difference of the distances: {abs(distance['ours'] / distance['scipy'] - 1):.1e}")
END
