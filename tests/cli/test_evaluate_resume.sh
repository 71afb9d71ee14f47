#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An evaluation with a trained network that was stopped goes on with the features it has, on another number of ranks, and ends
# with the same scores; features of images that have changed since are made again.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"
weights=${PECLET_DATA:-/nonexistent}/squeezenet1_1/squeezenet1_1-fp16as32.safetensors
[ -f "$weights" ] || { echo "skipped: needs squeezenet1_1 in PECLET_DATA"; exit 77; }
/usr/bin/python3 - <<'P' || exit 1
import h5py, numpy as np
rng = np.random.default_rng(7)
for name, n in (("real", 600), ("fake", 400)):
    h5py.File(name + ".h5", "w")["images"] = rng.integers(0, 256, (n, 32, 32, 3)).astype(np.uint8)
P
cat >score.nml <<EOF
&evaluate real = 'real.h5', fake = 'fake.h5', features = 'squeezenet', metrics = 'fd', 'prdc', weights = '$weights' /
EOF
expect 0 'scores of 400 samples' "$peclet" evaluate score.nml run.out=whole
[ -f whole/features-squeezenet.h5 ] && fail "the features stayed behind"

mkdir -p parts
touch parts/STOP
expect 75 'evaluation stopped (stop)' ranks 2 "$peclet" evaluate score.nml run.out=parts # each rank did a round of 128
[ -f parts/metrics.json ] && fail "a stopped evaluation left scores"
expect 75 'going on with 256 of 600 features of the real' ranks 3 "$peclet" evaluate score.nml run.out=parts
rm parts/STOP
# rows 0-127 and 300-427 were there; the second start added 200-299 and 428-527
expect 0 'going on with 456 of 600 features of the real' "$peclet" evaluate score.nml run.out=parts
/usr/bin/python3 "$source_dir/tests/cli/near.py" scores whole/metrics.json parts/metrics.json || fail "the scores differ"

# one image changes between the stop and the second start
mkdir -p changed
touch changed/STOP
expect 75 'evaluation stopped' "$peclet" evaluate score.nml run.out=changed
/usr/bin/python3 -c 'import h5py; f = h5py.File("real.h5", "r+"); f["images"][5] = 0'
rm changed/STOP
expect 0 'going on with 127 of 600 features of the real' "$peclet" evaluate score.nml run.out=changed
expect 0 'scores of 400 samples' "$peclet" evaluate score.nml run.out=anew
/usr/bin/python3 "$source_dir/tests/cli/near.py" scores anew/metrics.json changed/metrics.json || fail "old features were used"
finish
