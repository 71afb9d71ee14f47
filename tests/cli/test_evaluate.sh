#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Scores by trained networks from the command line: the same numbers for one and two ranks, and what is said about weights
# that are missing, damaged or another network's.
source "$(dirname "$0")/common.sh"
need_images
squeezenet=${PECLET_DATA:-}/squeezenet1_1/squeezenet1_1-fp16as32.safetensors
linear=${PECLET_DATA:-}/lpips/lpips-v0.1-linear.safetensors
if [ ! -f "$squeezenet" ] || [ ! -f "$linear" ]; then
    echo "skipped: needs squeezenet1_1 and lpips under \$PECLET_DATA"
    exit 77
fi
deck=$source_dir/tests/cli/tiny.nml
small=(forward.levels=3 dataset.limit=40 dataset.test_limit=4 sample.count=9 sample.batch=3 train.steps=2 evaluate.prdc_k=2)
metrics=("evaluate.metrics='fd','prdc','lpips'" "evaluate.features='squeezenet'")
judged=("${metrics[@]}" "evaluate.weights=$squeezenet" "evaluate.lpips_weights=$linear")
value() { /usr/bin/python3 -c "import json; m = json.load(open('tiny/metrics.json')); print(m['squeezenet']['fd'], m['squeezenet']['coverage'], m['lpips_mean'], m['lpips_std'], m['lpips_pairs'], 'fid' in m['squeezenet'])"; }

expect 0 'spread over the samples of a seed' "$peclet" run "$deck" "${small[@]}" "${judged[@]}"
one=$(value)
expect 0 'FD-squeezenet' ranks 2 "$peclet" evaluate "$deck" "${small[@]}" "${judged[@]}"
two=$(value)
expect 1 "needs trained weights: set &evaluate weights" "$peclet" evaluate "$deck" "${small[@]}" "${metrics[@]}"
expect 1 "no tensor 'squeeze.lin0.model.1.weight'" "$peclet" evaluate "$deck" "${small[@]}" "${metrics[@]}" "evaluate.weights=$squeezenet" "evaluate.lpips_weights=$squeezenet"
head -c 100000 "$squeezenet" >half.safetensors
expect 1 'half.safetensors: tensor' "$peclet" evaluate "$deck" "${small[@]}" "${metrics[@]}" evaluate.weights=half.safetensors
expect 1 'needs trained weights: set &evaluate inception_weights' "$peclet" evaluate "$deck" "${small[@]}" evaluate.features=inception
expect 1 "no tensor 'Conv2d_1a_3x3.conv.weight'" "$peclet" evaluate "$deck" "${small[@]}" evaluate.features=inception "evaluate.inception_weights=$squeezenet"
expect 1 "no tensor 'features.0.weight'" "$peclet" evaluate "$deck" "${small[@]}" "${judged[@]}" "evaluate.trunk_weights=$linear"
# 9 samples of 4 seeds, two of each seed count; threads and blocks of a rank may change the last digits
# shellcheck disable=SC2086 # six words each
/usr/bin/python3 - $one $two <<'END' || fail "one and two ranks differ: $one | $two"
import sys
one, two = sys.argv[1:7], sys.argv[7:13]
assert all(abs(float(a) - float(b)) <= 1e-5 * abs(float(a)) for a, b in zip(one[:4], two[:4]))
assert one[4:] == two[4:] == ["8", "False"]
END

# LPIPS of samples of both kinds of seeds: each with the images of its own split
lpips=("${small[@]}" run.out=both "evaluate.metrics='lpips'" "evaluate.weights=$squeezenet" "evaluate.lpips_weights=$linear")
expect 0 'samples (train seeds)' "$peclet" run "$deck" "${lpips[@]}" sample.prior_split=both
cp both/metrics.json both.json
for half in 'test 0 5' 'train 5 9'; do
    read -r split first end <<<"$half"
    /usr/bin/python3 - "$first" "$end" <<'END'
import h5py, sys
first, end = map(int, sys.argv[1:])
with h5py.File("both/samples.h5") as f, h5py.File("half.h5", "w") as half:
    for name in "images", "seed_image":
        half[name] = f[name][first:end]
END
    expect 0 'lpips' "$peclet" evaluate "$deck" "${lpips[@]}" evaluate.fake=half.h5 sample.prior_split="$split"
    cp both/metrics.json "$split.json"
done
/usr/bin/python3 - <<'END' || fail "LPIPS of both kinds of seeds"
import json
both, test, train = (json.load(open(name + ".json")) for name in ("both", "test", "train"))
near = lambda a, b: abs(a - b) < 1e-6 * b  # measured: 0
assert near(both["lpips_mean"], test["lpips_mean"]) and near(both["lpips_mean_samples_train"], train["lpips_mean"])
assert both["lpips_mean"] != both["lpips_mean_samples_train"] and both["lpips_trunk"] == "squeeze"
END
[ "$(/usr/bin/python3 -c 'import json; print(json.load(open("both.json"))["lpips_trunk_sha256"])')" = "$(sha256sum "$squeezenet" | cut -d' ' -f1)" ] ||
    fail "the hash of the weights"
finish
