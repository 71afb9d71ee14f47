#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sweep_plot.py FOLDER OUT.svg: scores of a sweep (FOLDER/table.tsv) over forward.pe, a line for each set of the other overrides.

Runs that differ in run.seed alone are dots beside their line: what chance does to a score."""
import csv
import os
import shlex
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "jobs"))
from scaling_plot import HIGH, WIDE, panel  # noqa: E402

COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#b9770e", "#34495e")
PANELS = (("pixels.fd", "FD-pixels (lower is better)"), ("random.fd", "FD-random (lower is better)"),
          ("pixels.precision", "precision, pixels"), ("pixels.recall", "recall, pixels"))
LEFT_OUT = ("forward.pe", "run.seed", "velocity.drift", "velocity.refresh")  # not in a line's name

folder, out = sys.argv[1:]
with open(os.path.join(folder, "table.tsv")) as f:
    rows = list(csv.DictReader(f, delimiter="\t"))
lines = {}  # name: (rows of the first seed, all rows)
for row in rows:
    words = dict(word.split("=", 1) for word in shlex.split(row["overrides"]))
    if "forward.pe" not in words:
        continue
    name = ", ".join(f"{k.split('.')[1]} {v}" for k, v in words.items() if k not in LEFT_OUT)
    row["x"] = float(words["forward.pe"])
    first, every = lines.setdefault(name, ([], []))
    every.append(row)
    if "run.seed" not in words:
        first.append(row)

body = []
for i, (column, title) in enumerate(PANELS):
    series = []
    for colour, (first, every) in zip(COLOURS, lines.values()):
        line = sorted((row["x"], float(row[column])) for row in first)
        series.append((colour, "", line))
        series += [(colour, "", [(row["x"], float(row[column]))]) for row in every if row not in first]
    body.append(panel(WIDE * (i % 2), 30 + HIGH * (i // 2), title, series, False, float))
key = "".join(f'<tspan fill="{colour}">{name}&#160;&#160;&#160;</tspan>' for colour, name in zip(COLOURS, lines))
with open(out, "w") as f:
    f.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDE}" height="{2 * HIGH + 40}" font-family="sans-serif" '
            f'font-size="11"><rect width="100%" height="100%" fill="white"/><text x="10" y="18">over the Peclet number: {key}'
            f'</text>{"".join(body)}</svg>\n')
