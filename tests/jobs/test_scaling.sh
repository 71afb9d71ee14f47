#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# jobs/scaling.sh: two points here, their table and plot; and the model behind the predictions against sums done by hand.
source "$(dirname "$0")/common.sh"
need_images
scaling=$source_dir/jobs/scaling.sh

expect 2 'weak|strong' "$scaling" medium --ranks 1 tiny.nml
expect 2 'weak|strong' "$scaling" weak --ranks 1,b tiny.nml
expect 2 'dataset.limit = 0 is all images' "$scaling" weak --ranks 1,2 --dry-run tiny.nml dataset.limit=0 # which do not grow
expect 0 'ranks-2' "$scaling" strong --ranks 1,2 --dry-run tiny.nml dataset.limit=0
"$scaling" weak --local --ranks 1,2 tiny.nml run.threads=1 train.steps=4 >weak.txt 2>weak.log || fail "$(tail -n 3 weak.log)"
expect 0 '2 rank(s): complete' "$scaling" weak --local --ranks 1,2 tiny.nml run.threads=1 train.steps=4
folder=runs/scaling-tiny-weak
grep -q 'batch = 24' $folder/ranks-2/deck.nml || fail "the batch does not grow"
grep -q 'limit = 202' $folder/ranks-2/deck.nml || fail "the data set does not grow"
/usr/bin/python3 - "$source_dir/jobs" $folder <<'P' || fail "table, plot or model"
import csv, json, math, sys, xml.dom.minidom
sys.path.insert(0, sys.argv[1])
import scaling_model as model
folder = sys.argv[2]
rows = {(r["stage"], r["ranks"]): r for r in csv.DictReader(open(f"{folder}/table.tsv"), delimiter="\t")}
assert set(rows) == {(s, n) for s in ("precompute", "train", "sample") for n in ("1", "2")}, rows.keys()
one, two = rows["train", "1"], rows["train", "2"]
sections = json.load(open(f"{folder}/ranks-2/timings.json"))["sections"]
loop = [sections[f"train/{s}"]["mean_s"] for s in ("read", "forward", "backward", "reduce wait", "optimizer", "checkpoint")]
assert math.isclose(float(two["measured"]), 1e3 * sum(loop) / 4, rel_tol=1e-9)
assert math.isclose(float(two["communication"]), loop[3] / sum(loop), rel_tol=1e-9)
assert math.isclose(float(two["efficiency"]), float(one["measured"]) / float(two["measured"]), rel_tol=1e-9)
assert math.isclose(float(two["speed-up"]), 2 * float(two["efficiency"]), rel_tol=1e-9)
assert 0.98 < float(one["predicted"]) / float(one["measured"]) <= 1  # the model starts from there; it knows no wait of one rank
xml.dom.minidom.parse(f"{folder}/scaling.svg")

# 50 MB in two buckets on 64 ranks of 8 nodes: 2 * 63/64 * 25 MB at 220 GB/s and 25 us (1 + log2 8) each
fabric = model.FABRICS["8 GPUs a node, NVLink 4, 8 x 400 Gbit/s"]
total, last = model.reduce_s(50e6, 64, fabric)
assert math.isclose(last, 2 * 63 / 64 * 25e6 / 220e9 + 25e-6 * 4) and math.isclose(total, 2 * last)
assert model.reduce_s(50e6, 1, fabric) == (0, 0)
step, wait = model.step_s(1.0, 2.0, 0.5, 50e6, 64, fabric)  # all but the last bucket is hidden
assert math.isclose(wait, last) and math.isclose(step, (3.5 + 0.06 * total + last) * (1 + 0.005 * 6))
step, wait = model.step_s(0, 0, 0, 50e6, 64, fabric)
assert math.isclose(wait, total + last)  # with nothing to hide behind
P
grep -q 'PREDICTED, nothing here is measured' $folder/table.md || fail "predictions are not marked as such"
finish
