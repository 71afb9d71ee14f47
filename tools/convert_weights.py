#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Published PyTorch weights (.pth) as safetensors, for &evaluate weights, inception_weights and lpips_weights.

usage: convert_weights.py OUT.safetensors IN.pth [IN.pth ...]        (Debian: python3-torch)

Knows, by the names of the tensors:
    torchvision squeezenet1_1, alexnet, vgg16     one file each: their names are alike
    LPIPS 0.1 linear layers (squeeze, alex, vgg)  may be put into one file
    pytorch-fid's pt_inception-2015-12-05         the only weights with which a distance may be called FID; the file is
                                                  known by its checksum, and marked in the metadata of the result
Old (pickle) and new (zip) files are read; nothing in them is executed.
"""
import hashlib
import sys

import torch

import pth_io
import safetensors_io

LPIPS = {(64, 128, 256, 384, 384, 512, 512): "squeeze", (64, 192, 384, 256, 256): "alex", (64, 128, 256, 512, 512): "vgg"}
INCEPTION_SHA256 = "6726825d"  # its first digits, which are part of the published file's name


def convert(path):
    """tensors by the names that peclet asks for, metadata"""
    state = pth_io.load(path)
    if not isinstance(state, dict) or not all(torch.is_tensor(t) for t in state.values()):
        sys.exit(f"{path}: not a table of named tensors (a state_dict)")
    if "lin0.model.1.weight" in state:
        channels = tuple(state[f"lin{i}.model.1.weight"].shape[1] for i in range(len(state)))
        if channels not in LPIPS:
            sys.exit(f"{path}: linear layers of an unknown network, channels {channels}")
        return {f"{LPIPS[channels]}.{name}": t for name, t in state.items()}, {}
    if "Conv2d_1a_3x3.conv.weight" in state:
        with open(path, "rb") as f:
            digest = hashlib.sha256(f.read()).hexdigest()
        known = digest.startswith(INCEPTION_SHA256)
        if not known:
            print(f"{path}: not the published weights of 2015-12-05 (sha256 {digest[:8]}): no FID with these")
        kept = {name: t for name, t in state.items() if not name.endswith("num_batches_tracked") and not name.startswith(("fc.", "AuxLogits."))}
        return kept, {"network": "inception-2015-12-05" if known else "inception", "sha256": digest}
    if "features.0.weight" in state:
        return state, {}
    sys.exit(f"{path}: these names are not known: {', '.join(list(state)[:3])} ...")


def main():
    if sys.argv[1:] == ["--help"]:
        print(__doc__)
        return
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    tensors, metadata = {}, {"format": "pt"}
    for path in sys.argv[2:]:
        more, notes = convert(path)
        twice = tensors.keys() & more.keys()
        if twice:
            sys.exit(f"{path}: '{sorted(twice)[0]}' came before; write this one to a file of its own")
        tensors.update(more)
        metadata.update(notes)
    safetensors_io.write(sys.argv[1], tensors, metadata)
    print(f"{sys.argv[1]}: {len(tensors)} tensors, {sum(t.numel() for t in tensors.values())} numbers")


if __name__ == "__main__":
    main()
