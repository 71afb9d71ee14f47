#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What 'peclet plan' says of memory against what the stages then take: a tiny network, the demo's, one for 64 px in colour,
# and every kind of store.
source "$(dirname "$0")/common.sh"
need_images
font=/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf
tiny=$source_dir/tests/cli/tiny.nml
demo=$source_dir/inputs/demo.nml

# compare NAME RANKS DECK [override...]
compare() {
    local name=$1 n=$2 deck=$3 stage
    shift 3
    set -- "$@" run.out="$name" train.steps=2 train.checkpoint_every=1
    expect 0 total ranks "$n" "$peclet" import "$deck" "$@"
    cp "$name/timings.json" "$name/import.json"
    ranks "$n" "$peclet" plan "$deck" "$@" >"$name.plan" 2>&1 || fail "plan of $name: $(tail -n 3 "$name.plan")"
    for stage in precompute train sample evaluate; do
        expect 0 total ranks "$n" "$peclet" "$stage" "$deck" "$@"
        cp "$name/timings.json" "$name/$stage.json"
    done
    /usr/bin/python3 - "$name" <<'P' || fail "$name: the plan is off"
import json, sys
name, off = sys.argv[1], []
for line in open(f"{name}.plan"):
    stage, *numbers = line.split()
    if stage not in ("import", "precompute", "train", "sample", "evaluate") or not line.startswith("  "):
        continue
    device, memory = map(float, numbers[:2])
    real = json.load(open(f"{name}/{stage}.json"))
    off.append((abs(device - real["peak_device_mb"]) - 0.1, real["peak_device_mb"], memory / real["peak_memory_mb"] - 1))
    print(f"{name} {stage}: device {device:.1f}, was {real['peak_device_mb']:.1f} MB; all {memory:.1f}, was {real['peak_memory_mb']:.1f} MB")
assert len(off) == 5
# measured: device within 0.05 MB, all -8 to +8 %
assert all(d <= 0.01 * real and abs(m) < 0.1 for d, real, m in off), off
P
}

compare pairs 1 "$tiny"
compare none 1 "$tiny" store.kind=none train.target=x0
compare levels 1 "$tiny" store.kind=levels store.precision=fp32 dataset.limit=1500
compare demo 2 "$demo" dataset.limit=4000 sample.count=250 forward.levels=10
if [ -f "$font" ]; then
    compare emoji 1 "$source_dir/inputs/emoji64.nml" dataset.limit=64 forward.levels=4 store.pairs_per_image=2 \
        train.batch=8 train.heldout=8 sample.count=4 sample.batch=4 unet.channels=32 \
        evaluate.features=random evaluate.metrics=fd,spectrum
else
    echo "skipped: the plan for 64 px in colour needs $font (Debian: fonts-noto-color-emoji)"
fi

# for other rank counts the batch is shared
expect 0 '3 images a rank' "$peclet" plan "$tiny" run.out=pairs run.plan_ranks=4
expect 0 'without files and sums over ranks' "$peclet" plan "$tiny" run.out=pairs run.plan_ranks=4
# the closed form has no network to try
exact=(run.out=pairs store.kind=none network.kind=exact)
expect 0 'none stored' "$peclet" plan "$tiny" "${exact[@]}"
expect 0 '  import ' "$peclet" plan "$tiny" "${exact[@]}"
expect 0 '  evaluate ' "$peclet" plan "$tiny" "${exact[@]}"
# what evaluate's row cannot hold is named
expect 0 "without 'inception', whose weights are not here" "$peclet" plan "$tiny" run.out=pairs \
    evaluate.features=inception network.kind=exact store.kind=none
finish
