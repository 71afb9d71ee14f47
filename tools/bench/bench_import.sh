#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Import of a ZIP of JPEGs, cropped and scaled to 64 px: images a second of `peclet import` on R ranks of one thread
# against R times those of a Pillow loop on one core, in turn, five rounds; median and spread of the ratio.
#
# usage: tools/bench/bench_import.sh PECLET [ZIP] [R]
#   ZIP: default $PECLET_DATA/fairface-adult-224/fairface-adult-224.zip; R: default 2
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/../mpi_env.sh"
peclet=$(readlink -f "${1:?usage: bench_import.sh PECLET [ZIP] [R]}")
zip=${2:-${PECLET_DATA:?names the folder of real data}/fairface-adult-224/fairface-adult-224.zip}
zip=$(readlink -f "$zip")
ranks=${3:-2}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
printf '&dataset\n  format = "zip", resolution = 64, channels = 3\n/\n' >deck.nml
export OMP_NUM_THREADS=1
echo "$ranks ranks, $zip; load before: $(cut -d' ' -f1 /proc/loadavg)"
cat >pillow.py <<'P'
import io, sys, time, zipfile
import numpy as np
from PIL import Image

start, archive = time.perf_counter(), zipfile.ZipFile(sys.argv[1])
names = sorted(n for n in archive.namelist() if n.lower().endswith((".jpg", ".jpeg", ".png", ".webp")))
out = np.empty((len(names), 64, 64, 3), np.uint8)
for i, name in enumerate(names):
    image = Image.open(io.BytesIO(archive.read(name))).convert("RGB")
    w, h = image.size
    s = min(w, h)
    left, top = (w - s) // 2, (h - s) // 2
    out[i] = np.asarray(image.crop((left, top, left + s, top + s)).resize((64, 64), Image.LANCZOS))
out.tofile("pillow.bin")
print(len(names), time.perf_counter() - start)
P
for _ in 1 2 3 4 5; do
    read -r count pillow < <(/usr/bin/python3 pillow.py "$zip")
    rm -rf out
    mpirun --bind-to none -n "$ranks" "$peclet" import deck.nml dataset.path="$zip" run.out=out run.threads=1 \
        >ours.txt 2>&1 || { cat ours.txt; exit 1; }
    ours=$(awk '$1 == "import" && $2 ~ /^[0-9.]+$/ { print $3 }' ours.txt) # the slowest rank, writing included
    echo "$count $pillow $ours"
done | tee rounds.txt
/usr/bin/python3 - rounds.txt "$ranks" <<'P'
import statistics, sys
rows, ranks = [[float(x) for x in line.split()] for line in open(sys.argv[1])], int(sys.argv[2])
pillow, ours = [n / p for n, p, _ in rows], [n / o for n, _, o in rows]
ratio = sorted(o / (ranks * p) for o, p in zip(ours, pillow))
for name, r in (("Pillow, one core", pillow), (f"peclet, {ranks} ranks", ours)):
    print(f"{name:18s} median {statistics.median(r):.0f} images/s, {min(r):.0f} to {max(r):.0f}")
print(f"ratio to {ranks} times Pillow: median {statistics.median(ratio):.2f}, {ratio[0]:.2f} to {ratio[-1]:.2f}")
P
