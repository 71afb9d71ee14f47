#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An evaluation that was stopped goes on with the features and scores it has, on another number of ranks, and ends with the
# same scores; what depends on images or settings that have changed since is made again.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"
/usr/bin/python3 - <<'P' || exit 1
import h5py, numpy as np
rng = np.random.default_rng(7)
for name, n in (("real", 600), ("fake", 400)):
    h5py.File(name + ".h5", "w")["images"] = rng.integers(0, 256, (n, 32, 32, 3)).astype(np.uint8)
P
near() { /usr/bin/python3 "$source_dir/tests/cli/near.py" scores "$1/metrics.json" "$2/metrics.json" || fail "$1 and $2 differ"; }

# no weights needed. With a file STOP in its folder every start does one round of features or one score, and leaves
cat >plain.nml <<EOF
&evaluate real = 'real.h5', fake = 'fake.h5', features = 'pixels', 'random', max_real = 100, max_fake = 90,
  metrics = 'fd', 'prdc', 'nearest', 'spectrum' /
EOF
expect 0 'scores of 90 samples' "$peclet" evaluate plain.nml run.out=plain
for left in metrics-partial.jsonl features-pixels.h5 features-random.h5; do
    [ -e "plain/$left" ] && fail "$left stayed behind"
done
mkdir -p steps
touch steps/STOP
starts=0 before=-1 code=75
while [ $code -eq 75 ] && [ $starts -lt 30 ]; do
    if [ $starts -eq 4 ]; then # in the middle of 'pixels', on two ranks
        expect 75 'evaluation stopped (stop)' ranks 2 "$peclet" evaluate plain.nml run.out=steps
    else
        "$peclet" evaluate plain.nml run.out=steps >log 2>&1
        code=$?
    fi
    gained=$(/usr/bin/python3 -c 'import json; s = json.load(open("steps/state.json")); print(s["done"], s["stage"])')
    [ "$gained" != "${gained% evaluate}" ] && [ "${gained% *}" -gt "$before" ] || fail "start $starts gained nothing: $gained after $before"
    before=${gained% *}
    starts=$((starts + 1))
done
[ $code -eq 0 ] || { fail "exit $code after $starts starts"; cat log; }
# of each kind of features real, samples, FD and PRDC; nearest, two spectra
[ $starts -eq 11 ] || fail "$starts starts for 11 pieces of work"
near plain steps

# other settings: what was computed for the first ones does not count; nor does a last line that was cut short
mkdir -p other
touch other/STOP
for _ in 1 2 3 4; do expect 75 'evaluation stopped' "$peclet" evaluate plain.nml run.out=other; done
grep -q '"pixels/samples/prdc"' other/metrics-partial.jsonl || fail "the scores so far are not on disk"
rm other/STOP
expect 0 'scores of 90 samples' "$peclet" evaluate plain.nml run.out=other evaluate.prdc_k=3
expect 0 'scores of 90 samples' "$peclet" evaluate plain.nml run.out=fresh evaluate.prdc_k=3
near fresh other
mkdir -p torn
touch torn/STOP
for _ in 1 2 3 4; do expect 75 'evaluation stopped' "$peclet" evaluate plain.nml run.out=torn; done
truncate -s -5 torn/metrics-partial.jsonl
rm torn/STOP
expect 0 'scores of 90 samples' "$peclet" evaluate plain.nml run.out=torn
near plain torn

# with a trained network
weights=${PECLET_DATA:-/nonexistent}/squeezenet1_1/squeezenet1_1-fp16as32.safetensors
[ -f "$weights" ] || { echo "left out: a trained network (needs squeezenet1_1 in PECLET_DATA)"; finish; }
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
near whole parts

# one image changes between the stop and the second start
mkdir -p changed
touch changed/STOP
expect 75 'evaluation stopped' "$peclet" evaluate score.nml run.out=changed
/usr/bin/python3 -c 'import h5py; f = h5py.File("real.h5", "r+"); f["images"][5] = 0'
rm changed/STOP
expect 0 'going on with 127 of 600 features of the real' "$peclet" evaluate score.nml run.out=changed
expect 0 'scores of 400 samples' "$peclet" evaluate score.nml run.out=anew
near anew changed
finish
