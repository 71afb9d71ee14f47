#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The network that `peclet export` wrote, in PyTorch, and a check of one forward pass.

usage: load_export.py RUN_FOLDER        (Debian: python3-torch)

Loads network.safetensors into the U-Net of tools/golden/unet_golden.py, which has the names and layouts of the
inverse-heat-dissipation code (there: UNetModel(...).load_state_dict(tensors)), runs it on the input of
network-check.safetensors and compares with what the C program made of it. Exit 1 if they differ by more than 1e-4 of the
output's size.
"""
import json
import os
import sys

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden"))
import safetensors_io
from unet_golden import UNet


def load(path):
    """the network, ready for images [n,channels,side,side] in [0,1] and integer levels [n]"""
    tensors, metadata = safetensors_io.read(path)
    u = json.loads(metadata["unet"])
    attention = [level for level in u["attention_levels"] if level >= 0]
    net = UNet(u["image_channels"], u["channels"], u["multipliers"], u["blocks"], attention, u["middle_attention"], u["heads"])
    net.load_state_dict(tensors)
    return net.eval()


def main():
    if sys.argv[1:] == ["--help"]:
        print(__doc__)
        return
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    net = load(f"{sys.argv[1]}/network.safetensors")
    check, _ = safetensors_io.read(f"{sys.argv[1]}/network-check.safetensors")
    with torch.no_grad():
        out = net(check["input_nhwc"].permute(0, 3, 1, 2), check["level"].to(torch.int64)).permute(0, 2, 3, 1)
    size = check["output_nhwc"].square().mean().sqrt()
    error = float((out - check["output_nhwc"]).abs().max() / size)
    parameters = sum(p.numel() for p in net.parameters())
    print(f"{parameters} parameters; output of size {float(size):.3g}; largest difference {error:.2g} of it")
    sys.exit(not error < 1e-4)


if __name__ == "__main__":
    main()
