#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""near.py state A.h5 B.h5: are two checkpoints the same training state, up to the order in which ranks sum? Relative 2-norms.
near.py scores A.json B.json: are the scores the same?"""
import json
import sys

import numpy as np

STATE = 1e-3
SCORES = 1e-6


def numbers(tree, name=""):
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from numbers(value, f"{name}/{key}")
    elif isinstance(tree, list):
        for i, value in enumerate(tree):
            yield from numbers(value, f"{name}[{i}]")
    elif isinstance(tree, (int, float)):
        yield name, float(tree)


def state(a, b):
    import h5py

    worst = 0.0
    with h5py.File(a) as fa, h5py.File(b) as fb:
        assert fa.attrs["step"] == fb.attrs["step"]
        for name in ("params", "ema", "m", "v"):
            x, y = fa[name][:].astype("f8"), fb[name][:].astype("f8")
            worst = max(worst, np.linalg.norm(x - y) / np.linalg.norm(x))
    return worst, STATE


def scores(a, b):
    x, y = dict(numbers(json.load(open(a)))), dict(numbers(json.load(open(b))))
    assert x.keys() == y.keys(), x.keys() ^ y.keys()
    return max(abs(x[k] - y[k]) / (abs(x[k]) + 1e-12) for k in x), SCORES


worst, limit = {"state": state, "scores": scores}[sys.argv[1]](*sys.argv[2:])
print(f"{sys.argv[1]}: off by {worst:.2g}, allowed {limit:g}")
sys.exit(int(worst > limit))
