#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A flow from the user's file: it moves images as the same flow in closed form does, and a file that holds no flow is refused
# with the place where it is wrong.
source "$(dirname "$0")/common.sh"
need_images

/usr/bin/python3 - <<'P' || fail "writing the fields"
import h5py
import numpy as np

side = 28
x = (np.arange(side) + 0.5) / side - 0.5
spin = np.sqrt(12 / (1 - 1 / side**2))
rotation = spin * np.stack([np.repeat(-x[:, None], side, 1), np.repeat(x[None], side, 0)])
uniform = np.stack([np.ones((side, side)), np.zeros((side, side))])


def put(name, field, dataset="velocity"):
    with h5py.File(name, "w") as f:
        f[dataset] = field


def marred(value):
    field = np.repeat(rotation[None], 2, 0).astype("f4")
    field[1, 0, 3, 5] = value
    return field


put("rotation.h5", 0.003 * rotation[None].astype("f4"))
put("uniform.h5", np.repeat(40 * uniform[None], 3, 0).astype("f4"))
put("nan.h5", marred(np.nan))
put("inf.h5", marred(-np.inf))
put("zero.h5", np.zeros((2, 2, side, side), "f4"))
put("double.h5", rotation[None])
put("side.h5", np.zeros((1, 2, side, side + 1), "f4"))
put("rank.h5", rotation.astype("f4"))
put("empty.h5", np.zeros((0, 2, side, side), "f4"))
put("name.h5", rotation[None].astype("f4"), "flow")
open("foreign.h5", "w").write("x,y\n")
P

corrupt() { # NAME SETTING...: the corrupted images of a run of that name
    local name=$1
    shift
    expect 0 "" "$peclet" run "$source_dir/tests/cli/tiny.nml" run.out="$name" run.stages=import,precompute store.precision=fp32 "$@"
}
refused() { # FILE 'text that must be printed'
    expect 1 "$2" "$peclet" precompute "$source_dir/tests/cli/tiny.nml" run.out=refused velocity.kind=file velocity.path="$1"
    [ ! -e refused/trajectories.h5 ] || fail "$1 left trajectories"
}

# The scale of a file is lost: the rms over cells and both components is that of pe. The second component of the uniform
# flow is 0, so that the first is sqrt(2) of it. Measured: off by 2.4e-7 (rotation), 0 (uniform).
corrupt still forward.pe=0
corrupt rotation velocity.kind=rotation
corrupt rotation_file velocity.kind=file velocity.path=rotation.h5
corrupt uniform velocity.kind=uniform
corrupt uniform_file velocity.kind=file velocity.path=uniform.h5 forward.pe=5.656854249492381
/usr/bin/python3 - <<'P' || fail "the flow of the file is not the flow in closed form"
import h5py
import numpy as np


def images(name):
    return h5py.File(f"{name}/trajectories.h5")["u"][:].astype("f8")


still = images("still")
for name in ("rotation", "uniform"):
    want = images(name)
    got = images(name + "_file")
    off, effect = abs(got - want).max(), abs(want - still).max()
    print(f"{name}: off by {off:.2g}, the flow changes pixels by {effect:.2g}")
    assert off < 2e-6 and effect > 0.1
P

expect 0 "" "$peclet" import "$source_dir/tests/cli/tiny.nml" run.out=refused
refused nan.h5 'nan.h5: /velocity must be finite: vx is nan in frame 1, row 3, column 5'
refused inf.h5 'inf.h5: /velocity must be finite: vx is -inf in frame 1, row 3, column 5'
refused zero.h5 'zero.h5: /velocity is zero everywhere'
for file in double side rank empty; do
    refused $file.h5 "$file.h5: /velocity must be float32 [frames,2,28,28]"
done
refused name.h5 "name.h5: cannot open the dataset '/velocity'"
refused foreign.h5 'foreign.h5: cannot open'
refused none.h5 'none.h5: no such file'
refused '' 'name an HDF5 file with /velocity [T,2,28,28] in &velocity path'
finish
