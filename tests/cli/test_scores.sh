#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# evaluate on any two sets of images in HDF5 files, against numpy and scipy.
source "$(dirname "$0")/common.sh"
/usr/bin/python3 -c 'import h5py, scipy' 2>/dev/null || { echo "skipped: needs python3-h5py and python3-scipy"; exit 77; }

/usr/bin/python3 - <<'P' || exit 1
import h5py, numpy as np
rng = np.random.default_rng(7)
base = rng.random((1, 16, 16, 3))
a = np.clip(base + 0.2 * rng.standard_normal((700, 16, 16, 3)), 0, 1)
b = np.clip(0.98 * base + 0.2 * rng.standard_normal((650, 16, 16, 3)), 0, 1).astype(np.float32)
h5py.File("a.h5", "w")["images"] = np.round(a * 255).astype(np.uint8)
h5py.File("b.h5", "w")["images"] = b
h5py.File("c.h5", "w")["images"] = b[:, :8, :8]
h5py.File("d.h5", "w")["images"] = b.astype(np.float64)
h5py.File("e.h5", "w")["images"] = b[:, :, :12]
h5py.File("f.h5", "w")["images"] = b[..., :1]
P
printf '&evaluate\n metrics = "fd", "prdc", "nearest"\n features = "pixels"\n/\n' >score.nml

expect 0 'scores of 650 samples against 700 real images' "$peclet" evaluate score.nml \
    evaluate.real=a.h5 evaluate.fake=b.h5 run.out=one
expect 0 'scores of 650 samples' ranks 3 "$peclet" evaluate score.nml evaluate.real=a.h5 evaluate.fake=b.h5 run.out=three
expect 0 'scores of 700 samples' "$peclet" evaluate score.nml evaluate.real=a.h5 evaluate.fake=a.h5 run.out=same
# sizes, shapes, channels: pixel by pixel they must be alike; features of a network that scales its images itself do not mind (the
# scores themselves: tests/golden/test_inception.c), and get as far as asking for weights
for other in c e f; do
    expect 1 'cannot be compared pixel by pixel' "$peclet" evaluate score.nml evaluate.real=a.h5 evaluate.fake=$other.h5
    expect 1 'needs trained weights' "$peclet" evaluate score.nml evaluate.real=a.h5 evaluate.fake=$other.h5 \
        "evaluate.metrics='fd'" evaluate.features=inception
done
expect 1 "features 'inception'" "$peclet" evaluate score.nml evaluate.real=a.h5 evaluate.fake=c.h5 evaluate.features=inception
if /usr/bin/python3 -c 'import PIL' 2>/dev/null; then
    mkdir mixed
    /usr/bin/python3 -c '
from PIL import Image
for i, size in enumerate([(16, 16)] * 7 + [(20, 12)]):
    Image.new("RGB", size, (30 * i, 40, 50)).save(f"mixed/{i}.png")'
    expect 1 "mixed holds pictures of several sizes (20x12" "$peclet" evaluate score.nml evaluate.real=a.h5 evaluate.fake=mixed
    expect 1 'needs trained weights' "$peclet" evaluate score.nml evaluate.real=a.h5 evaluate.fake=mixed "evaluate.metrics='fd'" \
        evaluate.features=inception
    rm mixed/7.png
    expect 0 'scores of 7 samples against 700' "$peclet" evaluate score.nml evaluate.real=a.h5 evaluate.fake=mixed
fi
expect 1 'neither uint8 nor float32' "$peclet" evaluate score.nml evaluate.real=a.h5 evaluate.fake=d.h5
expect 1 'nothing.h5' "$peclet" evaluate score.nml evaluate.real=a.h5 evaluate.fake=nothing.h5

/usr/bin/python3 - <<'P' || fail "scores differ from numpy and scipy"
import json
import h5py, numpy as np, scipy.linalg, scipy.spatial

def features(name):
    x = h5py.File(name)["images"][()]
    x = x / 255 if x.dtype == np.uint8 else x.astype(float)
    n = len(x)
    return x.reshape(n, 8, 2, 8, 2, 3).mean(axis=(2, 4)).reshape(n, -1), x.reshape(n, -1)

(fa, xa), (fb, xb) = features("a.h5"), features("b.h5")
sa, sb = np.cov(fa, rowvar=False), np.cov(fb, rowvar=False)
fd = ((fa.mean(0) - fb.mean(0)) ** 2).sum() + np.trace(sa + sb - 2 * scipy.linalg.sqrtm(sa @ sb).real)
d = scipy.spatial.distance.cdist
ra = np.sort(d(fa, fa), axis=1)[:, 5]
rb = np.sort(d(fb, fb), axis=1)[:, 5]
ab = d(fa, fb)
want = {"fd": fd, "precision": (ab < ra[:, None]).any(0).mean(), "recall": (ab < rb[None]).any(1).mean(),
        "density": (ab < ra[:, None]).sum() / (5 * len(fb)), "coverage": (ab.min(1) < ra).mean()}
for run in "one", "three":
    got = json.load(open(run + "/metrics.json"))
    for key, value in want.items():
        off = abs(got["pixels"][key] - value)
        print(run, key, value, "off by", off)
        assert off < 1e-5 * max(1, abs(value)), (run, key, got["pixels"][key], value)
    near = d(xb, xa).min(1).mean()
    assert abs(got["nearest_mean"] - near) < 1e-5 * near, (got["nearest_mean"], near)
same = json.load(open("same/metrics.json"))
assert abs(same["pixels"]["fd"]) < 1e-9 and same["pixels"]["precision"] == 1 and same["nearest_mean"] == 0, same
P
finish
