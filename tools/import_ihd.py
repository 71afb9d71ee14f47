#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A checkpoint of the inverse-heat-dissipation code (or of a code derived from it) as a file to start training from.

usage: import_ihd.py checkpoint.pth OUT.safetensors [--raw]        (Debian: python3-torch)

Then: &train init = 'OUT.safetensors'. Takes the averaged weights (ema), with --raw those of the optimizer. Nothing in
the file is executed. The deck's &unet must describe the same network; peclet says which tensor does not fit.
"""
import sys

import pth_io
import safetensors_io

PARTS = ("time_embed.", "input_blocks.", "middle_block.", "output_blocks.", "out.")


def main():
    if sys.argv[1:] == ["--help"]:
        print(__doc__)
        return
    if len(sys.argv) not in (3, 4) or sys.argv[3:] not in ([], ["--raw"]):
        sys.exit(__doc__)
    state = pth_io.load(sys.argv[1])
    model = state.get("model", state)
    model = {name.removeprefix("module."): t for name, t in model.items()}
    model = {name: t for name, t in model.items() if name.startswith(PARTS)}
    if not model:
        sys.exit(f"{sys.argv[1]}: no U-Net in it (no tensors called {', '.join(PARTS)}...)")
    if "ema" in state and not sys.argv[3:]:
        # the averages are a list in the order of the parameters
        average = state["ema"]["shadow_params"]
        if [t.shape for t in average] != [t.shape for t in model.values()]:
            sys.exit(f"{sys.argv[1]}: the averaged weights do not fit the network's; try --raw")
        model = dict(zip(model, average))
    safetensors_io.write(sys.argv[2], model, {"format": "pt", "network": "inverse-heat-dissipation"})
    print(f"{sys.argv[2]}: {len(model)} tensors, {sum(t.numel() for t in model.values())} numbers")


if __name__ == "__main__":
    main()
