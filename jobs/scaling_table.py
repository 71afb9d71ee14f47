# SPDX-License-Identifier: Apache-2.0
"""scaling_table.py weak|strong FOLDER [GB/s]: the points FOLDER/ranks-N of jobs/scaling.sh as table.md, table.tsv, scaling.svg.

Measured: what timings.json says of the stages' loops (set-up and, in training, held-out scores left out). Predicted: the model of
scaling_model.py, its times for computing taken from the smallest point; GB/s is what an all-reduce between these ranks gets
(default 5, shared memory or one network card). Precompute and sample are predicted to compute in proportion and to write at the
rate of the smallest point: one file system for all. Last comes a prediction for networks on many GPUs."""
import glob
import json
import os
import re
import sys

import scaling_model as model
from scaling_plot import plot

STAGES = {  # loop sections: computing, waiting for ranks, files
    "precompute": (("corrupt",), (), ("read", "write")),
    "train": (("forward", "backward", "optimizer"), ("reduce wait",), ("read", "checkpoint")),
    "sample": (("walk",), (), ("write",)),
}
COLUMNS = ("stage", "ranks", "unit", "measured", "speed-up", "efficiency", "communication", "files", "predicted",
           "predicted speed-up", "predicted efficiency", "predicted communication")


def deck_value(text, group, key):
    block = re.search(rf"^&{group}$(.*?)^/$", text, re.M | re.S).group(1)
    return re.search(rf"^  {key} = (.*)$", block, re.M).group(1)


def load(path):
    """A point, or None if it is not complete."""
    try:
        with open(os.path.join(path, "state.json")) as f:
            if json.load(f)["exit"] != 0:
                return None
        with open(os.path.join(path, "timings.json")) as f:
            timings = json.load(f)
        with open(os.path.join(path, "deck.nml")) as f:
            deck = f.read()
    except FileNotFoundError:
        return None
    point = {"ranks": timings["ranks"], "path": path}
    point["work"] = {"train": int(deck_value(deck, "train", "steps")), "precompute": 1, "sample": 1}
    for stage, kinds in STAGES.items():
        sections = timings["sections"]
        if f"{stage}/{kinds[0][0]}" in sections:
            # ranks wait for the slowest at the end of every stage; a step of training ends with all of them
            which = "mean_s" if stage == "train" else "slowest_s"
            point[stage] = {s: sections.get(f"{stage}/{s}", {which: 0})[which] for k in kinds for s in k}
    files = sorted(glob.glob(os.path.join(path, "checkpoints", "step-*.h5")))
    # parameters, average and two moments in fp32: a quarter is the size of the gradient
    point["gradient"] = os.path.getsize(files[-1]) / 4 if files else 0
    return point


def measured_row(stage, point):
    compute, wait, files = (sum(point[stage][s] for s in names) for names in STAGES[stage])
    total = compute + wait + files
    return {"stage": stage, "ranks": point["ranks"], "seconds": total, "unit": "ms a step" if stage == "train" else "s",
            "measured": 1e3 * total / point["work"]["train"] if stage == "train" else total,
            "communication": wait / total, "files": files / total}


def predict(stage, kind, base, point, bandwidth):
    """Seconds of the stage's loop, and the share of waiting."""
    n, first = point["ranks"], base["ranks"]
    grow = first / n if kind == "strong" else 1.0  # work of a rank, relative to the smallest point
    all_work = 1.0 if kind == "strong" else n / first
    part = base[stage]
    if stage != "train":
        return grow * sum(part[s] for s in STAGES[stage][0]) + all_work * sum(part[s] for s in STAGES[stage][2]), 0.0
    steps = base["work"]["train"]
    step, wait = model.step_s(grow * part["forward"] / steps, grow * part["backward"] / steps, part["optimizer"] / steps,
                              base["gradient"], n, model.host_fabric(bandwidth))
    return step * steps + grow * part["read"] + part["checkpoint"], wait / step


def gains(kind, ranks, first, ratio):
    """Speed-up and efficiency, from time on the fewest ranks over time here."""
    more = ranks / first
    return (ratio * more, ratio) if kind == "weak" else (ratio, ratio / more)


def make_rows(kind, points, bandwidth):
    rows = []
    for stage in STAGES:
        own = [p for p in points if stage in p]
        for point in own:
            base = own[0]
            row, first = measured_row(stage, point), measured_row(stage, base)
            row["speed-up"], row["efficiency"] = gains(kind, row["ranks"], first["ranks"], first["seconds"] / row["seconds"])
            seconds, row["predicted communication"] = predict(stage, kind, base, point, bandwidth)
            start, _ = predict(stage, kind, base, base, bandwidth)
            row["predicted"] = row["measured"] * seconds / row["seconds"]
            row["predicted speed-up"], row["predicted efficiency"] = gains(kind, row["ranks"], first["ranks"], start / seconds)
            rows.append(row)
    return rows


def text(column, value):
    if column in ("stage", "ranks", "unit"):
        return str(value)
    percent = column.endswith(("efficiency", "communication", "files"))
    return f"{100 * value:.0f} %" if percent else f"{value:.3g}"


def markdown(out, header, rows):
    print("|", " | ".join(header), "|", file=out)
    print("|", " | ".join("---" if i == 0 else "---:" for i in range(len(header))), "|", file=out)
    for row in rows:
        print("|", " | ".join(row), "|", file=out)


def print_predictions(out):
    ranks = [8, 16, 32, 64, 128, 256, 512, 1024]
    for fabric_name, fabric in model.FABRICS.items():
        print(f"\nPREDICTED, nothing here is measured: efficiency of training on {fabric_name}; GPUs of "
              f"{model.GPU_FLOPS * 1e-12:.0f} TFLOP/s.\n", file=out)
        rows = []
        for network in model.NETWORKS:
            for images in (16, 64):
                one, _ = model.network_step_s(network, images, 1, fabric)
                many = (one / model.network_step_s(network, images, n, fabric)[0] for n in ranks)
                rows.append([f"{network}, weak, {images} images a GPU", f"{1e3 * one:.1f}"] + [f"{100 * e:.0f} %" for e in many])
            one, _ = model.network_step_s(network, 256, 1, fabric)
            many = (one / n / model.network_step_s(network, 256 / n, n, fabric)[0] if n <= 256 else None for n in ranks)
            rows.append([f"{network}, strong, batch 256", f"{1e3 * one:.1f}"] + [f"{100 * e:.0f} %" if e else "" for e in many])
        markdown(out, ["network", "ms on one GPU"] + [str(n) for n in ranks], rows)


def main():
    kind, folder = sys.argv[1], sys.argv[2]
    bandwidth = 1e9 * float(sys.argv[3]) if len(sys.argv) > 3 else 5e9
    points = [p for p in map(load, glob.glob(os.path.join(folder, "ranks-*"))) if p]
    points.sort(key=lambda p: p["ranks"])
    if not points:
        sys.exit(f"no complete point in {folder}/ranks-*")
    rows = make_rows(kind, points, bandwidth)
    with open(os.path.join(folder, "table.tsv"), "w") as f:
        print(*COLUMNS, sep="\t", file=f)
        for row in rows:
            print(*(row[c] for c in COLUMNS), sep="\t", file=f)
    with open(os.path.join(folder, "table.md"), "w") as f:
        print(f"Scaling, {kind}. The columns called predicted are the model of scaling_model.py at {bandwidth * 1e-9:g} GB/s, its "
              "computing times those of the smallest point; all others are measured.\n", file=f)
        markdown(f, COLUMNS, [[text(c, row[c]) for c in COLUMNS] for row in rows])
        print_predictions(f)
    with open(os.path.join(folder, "scaling.svg"), "w") as f:
        f.write(plot(kind, rows))


if __name__ == "__main__":
    main()
