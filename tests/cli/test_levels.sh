#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Walks that leave out levels, through a network that guesses the clean image (train.target = 'x0', sample.levels).
source "$(dirname "$0")/common.sh"
need_images
deck=$source_dir/tests/cli/tiny.nml
x0=(train.target=x0 forward.levels=20)

# the closed form, for which every guess is a mixture of training images: however few levels, samples end at the data
few=("${x0[@]}" network.kind=exact store.kind=none dataset.limit=20 dataset.test_limit=20 sample.interpolate=3
    evaluate.features=pixels evaluate.prdc_k=3)
for levels in 20 10 2; do
    expect 0 total "$peclet" run "$deck" run.out="exact$levels" "${few[@]}" sample.levels=$levels
    grep -q '"memorised": 1$\|"memorised": 1,' "exact$levels/metrics.json" ||
        fail "with $levels of 20 levels the nearest-image score does not find the copies"
done
expect 0 total ranks 3 "$peclet" run "$deck" run.out=exact10-3 "${few[@]}" sample.levels=10 sample.batch=3
same exact10/samples.h5 exact10-3/samples.h5
expect 0 total "$peclet" run "$deck" run.out=heat "${few[@]}" sample.levels=2 forward.process=heat forward.pe=0
/usr/bin/python3 - exact20 exact10 exact2 heat <<'P' || fail "samples or what lies between them"
import h5py, sys
import numpy as np
images, steps = {}, {}
for folder in sys.argv[1:]:
    file = h5py.File(f"{folder}/samples.h5")
    train = h5py.File(f"{folder}/dataset.h5")["images"][()] / 255.0
    x, between = file["images"][()], file["interpolation"][()]
    d = np.sqrt(((between.reshape(-1, 1, 28, 28, 1) - train[None]) ** 2).sum((2, 3, 4))).min(1)
    print(folder, "farthest from the data, of the walks between two samples:", d.max())
    assert d.max() < 1e-4, folder  # measured: 1.1e-6
    assert (between[:, 0] == x[0:16:2]).all() and (between[:, -1] == x[1:16:2]).all()
    images[folder] = x
# fewer levels are another walk: some samples end at other images
assert (images["exact20"] != images["exact2"]).any() and (images["exact20"] != images["exact10"]).any()
P

# a trained network, and the three stores: clean images come with their pairs
expect 0 total "$peclet" run "$deck" run.out=whole "${x0[@]}" sample.levels=4 sample.interpolate=2 run.precision=fp32 \
    store.precision=fp32 run.stages=import,precompute,train,sample
mkdir -p fly
cp whole/dataset.h5 fly/
expect 0 total "$peclet" train "$deck" run.out=fly "${x0[@]}" run.precision=fp32 store.kind=none
cmp <(sed 's/, "images_per_s.*//' whole/log.jsonl) <(sed 's/, "images_per_s.*//' fly/log.jsonl) ||
    fail "without a store the clean images are others"


# stopped after the first batch, gone on with on two ranks; three ranks at once
for n in 2 3; do
    mkdir -p "parts$n"
    cp -r whole/dataset.h5 whole/trajectories.h5 whole/checkpoints "parts$n/"
done
again=("${x0[@]}" sample.levels=4 sample.interpolate=2 run.precision=fp32 store.precision=fp32)
touch parts2/STOP
expect 75 'after 4 of 20' "$peclet" sample "$deck" run.out=parts2 "${again[@]}"
rm parts2/STOP
expect 0 'going on after 4 of 20' ranks 2 "$peclet" sample "$deck" run.out=parts2 "${again[@]}"
same whole/samples.h5 parts2/samples.h5
expect 0 total ranks 3 "$peclet" sample "$deck" run.out=parts3 "${again[@]}"
same whole/samples.h5 parts3/samples.h5
# another number of levels is another set of samples
expect 0 'is drawn again' "$peclet" sample "$deck" run.out=parts3 "${x0[@]}" sample.levels=5 run.precision=fp32 \
    store.precision=fp32 sample.count=4

# what cannot be
expect 2 "use target = 'x0'" "$peclet" check "$deck" sample.levels=4
expect 2 'but &forward has only 10' "$peclet" check "$deck" train.target=x0 sample.levels=11
expect 1 "&train target" "$peclet" sample "$deck" run.out=whole forward.levels=20 run.precision=fp32 store.precision=fp32
finish
