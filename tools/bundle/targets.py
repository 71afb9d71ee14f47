#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""targets.py LOGS DEVICE: what was to be reached on a GPU and what was, as lines of a table, from what the programs said
in LOGS (of `gpu_check.sh bench` and `peer`, the last run of each). Best and worst of several sizes stand side by side."""
import glob
import os
import re
import sys

logs, device = sys.argv[1:3]
# TFLOP/s of dense bf16 matrix products, from the data sheets
PEAKS = {"H100 PCIe": 756, "H100 NVL": 835, "H100": 989, "H200": 989, "GH200": 989, "A100": 312}


def said(mode, name="*"):
    """What the checks of a mode printed."""
    return "\n".join(open(path, errors="replace").read() for path in sorted(glob.glob(f"{logs}/{mode}-{device}/{name}.log")))


def numbers(pattern, text):
    return [float(x) for x in re.findall(pattern, text, re.M)]


def row(what, target, aim, values, unit, note="", less_is_better=False):
    """One line; values is empty where nothing was measured. `reached` speaks of the worst value."""
    bare = [float(re.sub("[^0-9.]", "", x)) for x in (target, aim) if x]
    reached, verdict = "not measured", ""
    if values:
        reached = " / ".join(f"{x:.4g}" for x in values) + f" {unit}"
        worst = max(values) if less_is_better else min(values)
        met = [worst <= x if less_is_better else worst >= x for x in bare]
        verdict = "target missed" if not met[0] else "aim reached" if met[1:] == [True] else "target reached"
    print(f"| {what} | {target} | {aim} | {reached}{note} | {verdict} |")


def ratio(text, what):
    """The smallest ours / peer over the forms of the peer, and its form."""
    found = [(float(x), form) for form, x in re.findall(rf"^{what} ?(.*): peer .* ours / peer ([\d.e+-]+)", text, re.M)]
    return min(found) if found else None


def ratio_row(what, target, aim, found, note=""):
    row(what, target, aim, [found[0]] if found else [], "x", (f", {found[1]}" if found else "") + note)


def peak_of(text, ceilings):
    for name, peak in PEAKS.items():
        if all(word in text for word in name.split()):
            return peak, f" of {peak} TFLOP/s ({name})"
    found = numbers(r"^matrix product .*? ([\d.e+-]+) TFLOP/s", ceilings)
    return (found[0], " of the matrix product's rate, for want of a peak") if found else (None, "")


def main():
    lattice, ceilings = said("bench", "lattice*"), said("bench", "ceilings")
    row("D2Q9 pull fp32, 256 images 128 x 128 x 3, share of copy", "85 %", "92 %", numbers(r"^pull .* ([\d.]+) % of copy", lattice), "%")
    for collision, target, aim in (("equilibrium", "400 GLUPS", "800 GLUPS"), ("bgk", "200 GLUPS", "450 GLUPS")):
        held = re.findall(rf"^one hold +{collision} +(\d+) px.*: +([\d.e+-]+) GLUPS", lattice, re.M)
        sides = ", ".join(side for side, _ in held)
        row(f"{collision} on chip, velocity held, {sides or '28, 64, 128, 256'} px", target, aim, [float(x) for _, x in held], "GLUPS")
    nets = ["unet64", "unet128"] + (["tiny"] if said("bench", "step_of_tiny*") else [])
    for net in nets:
        step = said("bench", f"step_of_{net}__bf16")
        sigma, share = (re.findall(r"^corrupt .*, sigma up to (\d+): ([\d.]+) % of", step, re.M) or [("20", None)])[0]
        row(f"corruption on the fly, {net}, sigma up to {sigma} px, share of a training step", "5 %", "1 %",
            [float(share)] if share else [], "%", less_is_better=True)
        peak, of = peak_of(step, ceilings)
        flops = numbers(r", ([\d.e+-]+) TFLOP/s$", step)
        row(f"training {net}, share of bf16 peak", "40 %", "", [100 * x / peak for x in flops[:1] if peak], "%", of if flops else "")
        peer = said(f"peer-{net}")
        ratio_row(f"training {net} against the fastest PyTorch", "1.0x", "1.4x", ratio(peer, "train"))
        ratio_row(f"200 steps of sampling {net} against PyTorch with CUDA graphs", "1.2x", "1.8x", ratio(peer, "sample"))
    for part in ("forward", "backward"):
        shares = re.findall(rf"^norm\+silu .*{part} .*of copy (\d+) % \((\d) passes\), (\d+) % \((\d) passes\)", ceilings, re.M)[:1]
        note = "".join(f" at the {d} passes of a part that stays on the chip, {a} % at the usual {b}" for a, b, c, d in shares)
        row(f"group norm + SiLU {part}, 128 px, share of copy", "75 %", "90 %", [float(c) for _, _, c, _ in shares], "%", note)
    judges = said("peer-judges")
    for net in ("squeeze", "inception"):
        allowed = ratio(judges, f"{net} tf32=on")
        ratio_row(f"{net} features against PyTorch, fp32 without TF32", "1.0x", "1.5x", ratio(judges, f"{net} tf32=off"),
                  f"; {allowed[0]:.4g} x against TF32" if allowed else "")


assert os.path.isdir(logs), __doc__
main()
