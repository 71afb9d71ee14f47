#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The closed form in place of the network: without training, every sample ends at a training image, for every process
# and rank count. And interpolation, whose ends are samples.
source "$(dirname "$0")/common.sh"
need_images
deck=$source_dir/tests/cli/tiny.nml
exact=(network.kind=exact store.kind=none dataset.test_limit=20 evaluate.features=pixels evaluate.prdc_k=3)
few=("${exact[@]}" dataset.limit=20 sample.interpolate=3)

for case in adr 'adr-faithful forward.mode=faithful forward.pe=0.1' 'heat forward.process=heat forward.pe=0' \
    'bgk lbm.collision=bgk forward.pe=1' 'shared velocity.realisations=3'; do
    read -r name overrides <<<"$case"
    # shellcheck disable=SC2086
    expect 0 total "$peclet" run "$deck" run.out="$name" "${few[@]}" $overrides
    /usr/bin/python3 - "$name" <<'P' || fail "$name: a sample is not a training image"
import h5py, sys
import numpy as np
folder = sys.argv[1]
samples = h5py.File(f"{folder}/samples.h5")
x, between, prior = samples["images"][()], samples["interpolation"][()], samples["prior"][()]
train = h5py.File(f"{folder}/dataset.h5")["images"][()] / 255.0
def nearest(a):
    a = a.reshape(-1, 1, 28, 28, 1)
    return np.sqrt(((a - train[None]) ** 2).sum((2, 3, 4))).min(1)
far = nearest(x).max(), nearest(between).max(), nearest(prior).min()
print(folder, "farthest sample %.2g, farthest between two %.2g, nearest prior %.2g" % far)
# noise sigma_S in 784 pixels is 0.35 long; measured: 1.4e-6
assert x.shape == (20, 28, 28, 1) and far[0] < 1e-4 and far[2] > 1
assert far[1] < 1e-4
assert between.shape == (8, 5, 28, 28, 1)
assert (between[:, 0] == x[0:16:2]).all() and (between[:, -1] == x[1:16:2]).all()
P
done
grep -q '"nearest_mean": [0-9.]*e-0[6-9]' adr/metrics.json || fail "metrics.json does not notice the copies"
grep -q '"memorised": 1$\|"memorised": 1,' adr/metrics.json || fail "the copies are not counted as memorised"
[ -s adr/interpolation.png ] || fail "no interpolation.png"

# also where ranks have no samples or no images
for n in 2 3; do
    expect 0 total ranks "$n" "$peclet" run "$deck" run.out="adr$n" "${few[@]}" sample.batch=$((2 + n))
    /usr/bin/python3 - adr/samples.h5 "adr$n/samples.h5" <<'P' || fail "samples depend on the rank count"
import h5py, sys
import numpy as np
a, b = (h5py.File(name) for name in sys.argv[1:])
for name in a:
    off = np.abs(a[name][()].astype(float) - b[name][()]).max()
    assert off < 1e-6, (name, off)  # sums over images in another order, in double; measured: 0
P
done
expect 0 total ranks 3 "$peclet" run "$deck" run.out=sparse "${exact[@]}" dataset.limit=2 sample.count=2 sample.batch=1 \
    sample.interpolate=1 run.stages=import,sample

# nothing to train, a width is needed
expect 0 'nothing to train' "$peclet" train "$deck" run.out=adr "${few[@]}"
expect 1 'needs &train noise > 0' "$peclet" sample "$deck" run.out=adr "${few[@]}" train.noise=0

# a trained network: the ends of interpolations are samples, on any number of ranks
expect 0 total "$peclet" run "$deck" run.out=unet train.steps=2 sample.interpolate=2 sample.count=6 \
    run.stages=import,precompute,train,sample
cp -r unet unet2
rm unet2/samples.h5
expect 0 total ranks 2 "$peclet" sample "$deck" run.out=unet2 train.steps=2 sample.interpolate=2 sample.count=6
same unet/samples.h5 unet2/samples.h5
/usr/bin/python3 - <<'P' || fail "ends of an interpolation"
import h5py
import numpy as np
f = h5py.File("unet/samples.h5")
x, between = f["images"][()], f["interpolation"][()]
assert between.shape == (3, 4, 28, 28, 1)
off = max(np.abs(between[:, 0] - x[0::2]).max(), np.abs(between[:, -1] - x[1::2]).max())
print("ends of interpolations off by", off)
assert off < 1e-6 and np.abs(between[:, 1] - x[0::2]).max() > 1e-2
P
finish
