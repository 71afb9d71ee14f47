#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The three stores train alike: without a store the batches are those of 'pairs', and 'levels' holds what 'pairs' picks.
# Also what surrounds training: held-out losses, starting from another run's checkpoint, dropout across a resume.
source "$(dirname "$0")/common.sh"
need_images
deck=$source_dir/tests/cli/tiny.nml
half=(run.precision=fp32 train.checkpoint_every=3)
quick=("${half[@]}" train.steps=6)
losses() { sed 's/, "images_per_s.*//' "$1/log.jsonl"; }

expect 0 total "$peclet" import "$deck" run.out=pairs
for kind in exactly half levels none; do
    mkdir -p "$kind"
    cp pairs/dataset.h5 "$kind/"
done
for store in 'exactly store.precision=fp32' 'half store.precision=fp16' 'levels store.kind=levels' 'none store.kind=none'; do
    read -r out override <<<"$store"
    expect 0 total "$peclet" precompute "$deck" run.out="$out" "$override"
    expect 0 total "$peclet" train "$deck" run.out="$out" "$override" "${quick[@]}"
done
[ -e none/trajectories.h5 ] && fail "store.kind = 'none' stored something"
[ -s none/corruption.png ] || fail "no picture without a store"

# not rounded to fp16, the pairs of a store are the very ones made on the fly
cmp <(losses exactly) <(losses none) || fail "without a store training differs from 'pairs' in fp32"
/usr/bin/python3 - <<'P' || fail "what the stores hold or teach differs"
import h5py, json
import numpy as np
log = {k: [json.loads(line) for line in open(f"{k}/log.jsonl")] for k in ("half", "none", "levels")}
assert all(len(v) == 6 for v in log.values())
worst = max(abs(a["loss"] / b["loss"] - 1) for a, b in zip(log["half"], log["none"]))
print("largest relative difference of a loss by rounding to fp16:", worst)
assert worst < 1e-3, worst  # measured: 7e-5 in 10 steps
assert all(np.isfinite(r["loss"]) for r in log["levels"])
for step in (2, 5):
    line = log["none"][step]
    assert len(line["heldout_by_level"]) == 8 and 0 < line["heldout"] < 10, line
    assert min(line["heldout_by_level"]) > 0
assert "heldout" not in log["none"][3]

pairs, levels = h5py.File("half/trajectories.h5"), h5py.File("levels/trajectories.h5")
n, k = 101, 10
assert levels["u"].shape == (n, k, 28, 28, 1) == levels["delta"].shape and levels["u"].dtype == np.float16
image, level = pairs["image"][()], pairs["level"][()]
for name in ("u", "delta"):
    assert (levels[name][()][image, level - 1] == pairs[name][()]).all(), name
u, delta = levels["u"][()].astype(float), levels["delta"][()].astype(float)
x0 = h5py.File("levels/dataset.h5")["images"][()] / 255.0
before = np.concatenate([x0[:, None], u[:, :-1]], axis=1)
gap = np.abs(u + delta - before).max()  # the levels hang together: u_k + delta_k = u_{k-1}, to fp16 (measured: 4.9e-4)
assert gap < 1e-3, gap
P

# any number of ranks
expect 0 total ranks 3 "$peclet" import "$deck" run.out=levels3
expect 0 total ranks 3 "$peclet" precompute "$deck" run.out=levels3 store.kind=levels
same levels/trajectories.h5 levels3/trajectories.h5
mkdir -p none2
cp pairs/dataset.h5 none2/
expect 0 total ranks 2 "$peclet" train "$deck" run.out=none2 store.kind=none train.accumulate=2 "${quick[@]}"
/usr/bin/python3 - none/log.jsonl none2/log.jsonl <<'P' || fail "without a store losses depend on the rank count"
import json, sys
a, b = ([json.loads(line) for line in open(name)] for name in sys.argv[1:])
worst = max(abs(x[k] / y[k] - 1) for x, y in zip(a, b) for k in ("loss", "heldout") if k in x)
print("largest relative difference of a loss between 1 and 2 ranks without a store:", worst)
assert len(a) == len(b) == 6 and worst < 1e-4, worst
P

# stopped and gone on without a store, with dropout (0.1 in the deck), bit-equal
mkdir -p parts
cp pairs/dataset.h5 parts/
expect 0 total "$peclet" train "$deck" run.out=parts store.kind=none "${half[@]}" train.steps=3
expect 0 'going on from the checkpoint of step 3' "$peclet" train "$deck" run.out=parts store.kind=none "${quick[@]}"
same none/checkpoints/step-00000006.h5 parts/checkpoints/step-00000006.h5

# from another run's averaged weights: with a learning rate of 0 they stay what they were
mkdir -p next
cp pairs/dataset.h5 next/
expect 0 'starting from the averaged weights of step 3' "$peclet" train "$deck" run.out=next store.kind=none \
    train.init=none/checkpoints/step-00000003.h5 train.learning_rate=0 train.steps=1 train.heldout=0
/usr/bin/python3 - <<'P' || fail "train.init"
import h5py
a, b = h5py.File("none/checkpoints/step-00000003.h5"), h5py.File("next/checkpoints/step-00000001.h5")
assert (a["ema"][()] == b["params"][()]).all() and (a["ema"][()] != a["params"][()]).any()
P
expect 0 'starting from the averaged weights of step 6' "$peclet" train "$deck" run.out=pairs store.kind=none \
    train.init=none/checkpoints train.steps=1
rm -r pairs/checkpoints
expect 1 'is neither a checkpoint nor a folder with one' "$peclet" train "$deck" run.out=pairs store.kind=none \
    train.init=nowhere
expect 1 'this network has' "$peclet" train "$deck" run.out=pairs store.kind=none train.init=none/checkpoints unet.blocks=2
expect 1 "run 'peclet import' first" "$peclet" train "$deck" run.out=empty store.kind=none
finish
