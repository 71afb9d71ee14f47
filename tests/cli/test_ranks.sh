#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every rank count writes the same data sets, trajectories and samples; training agrees to the order of summation.
source "$(dirname "$0")/common.sh"
need_images
deck=$source_dir/tests/cli/tiny.nml

expect 0 total "$peclet" run "$deck" run.out=r1
for n in 2 3 5; do
    expect 0 total ranks "$n" "$peclet" import "$deck" run.out="r$n"
    expect 0 total ranks "$n" "$peclet" precompute "$deck" run.out="r$n"
    same r1/dataset.h5 "r$n/dataset.h5"
    same r1/trajectories.h5 "r$n/trajectories.h5"
done

# the same weights on other rank counts draw the same samples
for n in 2 3; do
    cp -r r1/checkpoints "r$n/"
    expect 0 total ranks "$n" "$peclet" sample "$deck" run.out="r$n"
    same r1/samples.h5 "r$n/samples.h5"
done

# training on 1, 2 and 3 ranks and with accumulation: losses of all steps agree
for n in 2 3; do
    rm -rf "r$n/checkpoints" "r$n/log.jsonl"
    expect 0 total ranks "$n" "$peclet" train "$deck" run.out="r$n" run.precision=fp32
done
mkdir -p acc one
cp r1/trajectories.h5 acc/
cp r1/trajectories.h5 one/
expect 0 total "$peclet" train "$deck" run.out=acc train.accumulate=4 run.precision=fp32
expect 0 total "$peclet" train "$deck" run.out=one run.precision=fp32
/usr/bin/python3 - one/log.jsonl r2/log.jsonl r3/log.jsonl acc/log.jsonl <<'P' || fail "losses differ between rank counts"
import json, sys
runs = [[json.loads(line) for line in open(name)] for name in sys.argv[1:]]
assert all(len(run) == 10 for run in runs), [len(run) for run in runs]
worst = max(abs(a["loss"] - b["loss"]) / a["loss"] for run in runs[1:] for a, b in zip(runs[0], run))
print("largest relative difference of a loss between rank counts:", worst)
assert worst < 1e-4, worst
P

# more ranks than images
expect 0 total ranks 5 "$peclet" run "$deck" run.out=few dataset.limit=3 dataset.test_limit=2 train.batch=3 \
    train.steps=2 sample.count=3 sample.batch=1 evaluate.prdc_k=1
finish
