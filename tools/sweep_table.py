# SPDX-License-Identifier: Apache-2.0
"""sweep_table.py FOLDER NAME...: scores of the runs FOLDER/NAME to FOLDER/table.tsv (all) and table.md (to read).

Only complete runs are shown; seconds are those of the last leg of a run that was stopped between. In table.md FD and the four of PRDC are given for the samples, FD also for the priors (what
doing nothing gets) and for held-out images (what a perfect generator gets)."""
import json
import os
import shlex
import sys

FEATURES = ("pixels", "random", "squeezenet", "inception")
SCORES = ("fd", "precision", "recall", "density", "coverage")


def flat(tree, prefix=""):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        elif not isinstance(value, list):
            yield prefix + key, value


def load(folder, name):
    """None if the run is not complete."""
    path = os.path.join(folder, name)
    if not os.path.exists(os.path.join(path, "sweep")):
        return None
    row = {"name": name}
    with open(os.path.join(path, "run.json")) as f:
        words = [w for w in json.load(f)["command_line"][3:] if not w.startswith(("run.out=", "run.name="))]
    row["overrides"] = " ".join(shlex.quote(w) for w in words)
    with open(os.path.join(path, "metrics.json")) as f:
        metrics = json.load(f)
    metrics.pop("spectrum", None)
    row.update(flat(metrics))
    with open(os.path.join(path, "timings.json")) as f:
        timings = json.load(f)
    row["ranks"], row["seconds"] = timings["ranks"], timings["seconds"]
    return row


def text(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


folder, names = sys.argv[1], sys.argv[2:]
rows = [row for row in (load(folder, name) for name in names) if row]
columns = list(dict.fromkeys(key for row in rows for key in row))
with open(os.path.join(folder, "table.tsv"), "w") as f:
    print(*columns, sep="\t", file=f)
    for row in rows:
        print(*(row.get(c, "") for c in columns), sep="\t", file=f)

shown = ["name", "overrides", "n_real", "n_fake"]
for feature in FEATURES:
    shown += [f"{feature}.{s}" for s in SCORES] + [f"{feature}.prior.fd", f"{feature}.test.fd"]
shown += ["nearest_mean", "nearest_mean_prior", "nearest_mean_test", "lpips_mean", "lpips_std", "seconds"]
shown = [c for c in shown if c in columns]
with open(os.path.join(folder, "table.md"), "w") as f:
    print("|", " | ".join(c.replace("_", " ").replace(".", " ") for c in shown), "|", file=f)
    print("|", " | ".join("---" if c in ("name", "overrides") else "---:" for c in shown), "|", file=f)
    for row in rows:
        cells = (f"{row[c]:.0f}" if c == "seconds" else text(row.get(c, "")) for c in shown)
        print("|", " | ".join(cells), "|", file=f)
