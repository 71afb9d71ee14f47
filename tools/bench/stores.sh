#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What each store of corrupted images costs: bytes on disk, seconds to make, and milliseconds that training then waits for
# a pair (read, or corrupted at once). Fashion-MNIST at 28 px with 50 levels; photographs (RGB) at 64 px with 100 and at
# 128 px with 200 levels, from a ZIP named by FACES. One rank, one thread, files in memory's cache: median of the
# repeats, and smallest to largest.
#
# usage: [FACES=faces.zip] [SIDES='28 64 128'] [REPEATS=5] tools/bench/stores.sh PECLET
set -euo pipefail
peclet=$(readlink -f "${1:?usage: stores.sh PECLET}")
faces=${FACES:-${PECLET_DATA:-/nowhere}/fairface-adult-224/fairface-adult-224.zip}
clothes=/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat >deck.nml <<'END'
&run threads = 1 /
&forward sigma_max = 8.0, pe = 8.0 /
&unet channels = 32, multipliers = 1, blocks = 1, attention_levels = -1, middle_attention = .false. /
&train steps = 4, batch = 32, accumulate = 2, heldout = 0, checkpoint_every = 0, log_every = 4 /
END
echo "load before: $(cut -d' ' -f1 /proc/loadavg)"
for side in ${SIDES:-28 64 128}; do
    case $side in
    28) data=(dataset.format=idx dataset.path="$clothes" dataset.limit=512 forward.levels=50) ;;
    64) data=(dataset.format=zip dataset.path="$faces" dataset.resolution=64 dataset.limit=128 forward.levels=100) ;;
    *) data=(dataset.format=zip dataset.path="$faces" dataset.resolution="$side" dataset.limit=32 forward.levels=200
        forward.sigma_max=20) ;;
    esac
    if [ "$side" -gt 28 ] && [ ! -f "$faces" ]; then
        echo "$side px: skipped, needs $faces"
        continue
    fi
    for store in 'pairs store.pairs_per_image=8' 'levels store.kind=levels' 'none store.kind=none'; do
        read -r name override <<<"$store"
        for _ in $(seq "${REPEATS:-5}"); do
            rm -rf run
            for stage in import precompute train; do
                "$peclet" $stage deck.nml run.out=run "${data[@]}" "$override" >log 2>&1 || { cat log; exit 1; }
                cp run/timings.json "run/$stage.json"
            done
            bytes=$(stat -c %s run/trajectories.h5 2>/dev/null || echo 0)
            /usr/bin/python3 - "$side" "$name" "$bytes" <<'END' >>"$work/rows"
import json
import sys

import h5py

side, name, size = sys.argv[1:]
images = h5py.File("run/dataset.h5")["images"].shape[0]
made, trained = (json.load(open(f"run/{stage}.json"))["sections"] for stage in ("precompute", "train"))
make = sum(made[k]["mean_s"] for k in made if k in ("precompute/read", "precompute/corrupt", "precompute/write"))
pairs = 4 * 32
print(side, name, int(size) / images, 1e3 * make / images, 1e3 * trained["train/read"]["mean_s"] / pairs)
END
        done
    done
done
/usr/bin/python3 - rows <<'END'
import statistics
import sys

rows = {}
for line in open(sys.argv[1]):
    side, name, *numbers = line.split()
    rows.setdefault((side, name), []).append([float(x) for x in numbers])


def text(values):
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


print("| side | store | kB an image | ms to make, an image | ms a pair in training |")
print("| --- | --- | --- | --- | --- |")
for (side, name), values in rows.items():
    size, make, wait = zip(*values)
    print(f"| {side} px | {name} | {size[0] / 1e3:.4g} | {text(make)} | {text(wait)} |")
END
