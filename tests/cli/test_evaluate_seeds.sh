#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# sample.prior_split = 'both': the first half of the samples from held-out images, the others from training images, each
# with scores of its own in metrics.json, on the terminal and in report.html; and what is said of sets of unequal size.
source "$(dirname "$0")/common.sh"
need_images
deck=$source_dir/tests/cli/tiny.nml
few=(network.kind=exact store.kind=none dataset.limit=12 dataset.test_limit=4 forward.levels=3 sample.batch=3
    evaluate.features=pixels evaluate.prdc_k=2 "evaluate.metrics='fd','prdc','nearest','spectrum'")

expect 0 'samples (train seeds) n 5' "$peclet" run "$deck" run.out=both "${few[@]}" sample.prior_split=both sample.count=11
"$peclet" evaluate "$deck" run.out=both "${few[@]}" sample.prior_split=both sample.count=11 >log 2>&1
grep -q 'held-out images *n 4 *FD-pixels [0-9.e+-]*\*' log || fail "an FD of another n is not marked"
grep -q 'of another n than the samples' log || fail "the mark is not explained"
expect 0 'samples (test seeds)' "$peclet" run "$deck" run.out=test "${few[@]}" sample.prior_split=test sample.count=6
expect 0 'samples (train seeds)' "$peclet" run "$deck" run.out=train "${few[@]}" sample.prior_split=train sample.count=5
expect 1 'no held-out images' "$peclet" run "$deck" run.out=none "${few[@]}" sample.prior_split=both dataset.test_path= \
    run.stages=import,sample
grep -q 'samples (train seeds)' both/report.html || fail "report.html does not tell the two apart"
grep -q '>4 \*<' both/report.html || fail "report.html does not mark unequal n"

/usr/bin/python3 - <<'P' || fail "the two halves"
import h5py, json
import numpy as np
file = {k: h5py.File(f"{k}/samples.h5") for k in ("both", "test", "train")}
m = {k: json.load(open(f"{k}/metrics.json")) for k in file}
assert list(file["both"]["seed_split"][()]) == [1] * 6 + [0] * 5
assert (file["test"]["seed_split"][()] == 1).all() and (file["train"]["seed_split"][()] == 0).all()
assert [m[k]["seeds"] for k in ("both", "test", "train")] == ["both", "test", "train"]
# the first half is what prior_split = 'test' draws; the other starts from the images that 'train' starts from
for name in "images", "prior":
    assert (file["both"][name][:6] == file["test"][name][()]).all(), name
assert (file["both"]["seed_image"][6:] == file["train"]["seed_image"][()]).all()
# each half is scored alone: against a set that holds nothing else
assert m["both"]["pixels"] == dict(m["test"]["pixels"], samples_train=m["both"]["pixels"]["samples_train"],
                                   prior_train=m["both"]["pixels"]["prior_train"]), m
assert m["both"]["nearest_mean"] == m["test"]["nearest_mean"]
n = {k: v for k, v in m["both"].items() if k.startswith("n_")}
assert n == {"n_real": 12, "n_fake": 6, "n_samples": 6, "n_samples_train": 5, "n_prior": 6, "n_prior_train": 5, "n_test": 4}, n
assert m["both"]["prdc_k"] == 2
with h5py.File("half.h5", "w") as half:
    half["images"] = file["both"]["images"][6:]
    half["prior"] = file["both"]["prior"][6:]
P
expect 0 'scores of 5 samples' "$peclet" evaluate "$deck" run.out=half "${few[@]}" evaluate.fake=half.h5 evaluate.real=both/dataset.h5
/usr/bin/python3 - <<'P' || fail "the scores of the samples with training seeds"
import json
both, half = (json.load(open(f"{k}/metrics.json")) for k in ("both", "half"))
assert "seeds" not in half
for name, want in (("samples_train", half["pixels"]), ("prior_train", half["pixels"]["prior"])):
    for key, value in both["pixels"][name].items():
        assert value == want[key], (name, key, value, want[key])
assert both["nearest_mean_samples_train"] == half["nearest_mean"]
assert both["memorised_samples_train"] == half["memorised"]
assert both["spectrum"]["samples_train"] == half["spectrum"]["samples"]
P
finish
