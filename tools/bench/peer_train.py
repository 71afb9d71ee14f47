#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The peer of bench_train: seconds a training step of the same U-Net takes in PyTorch (Debian: python3-torch).

usage: peer_train.py [key=value ...], the keys of bench_train and layout=nchw|nhwc; prints "peer TYPE-LAYOUT SECONDS"
(median). bf16 is autocast with group norms in fp32. The step: forward, loss, backward, clip_grad_norm_, Adam, average.
"""
import os
import sys
import time

settings = dict(device="cpu", type="bf16", threads="2", batch="64", side="28", channels="1", width="32", mult="1,2,2", blocks="1",
                attention="-1", middle="0", heads="1", dropout="0", steps="12", parts="0", layout="nhwc")
for argument in sys.argv[1:]:
    key, _, text = argument.partition("=")
    if key not in settings:
        sys.exit(f"unknown argument '{argument}'")
    settings[key] = text
os.environ["OMP_NUM_THREADS"] = settings["threads"]
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))

import torch  # noqa: E402
from unet_golden import UNet  # noqa: E402


class Norm32(torch.nn.GroupNorm):
    def forward(self, x):
        return super().forward(x.float()).to(x.dtype)


def norms_in_fp32(module):
    for child in module.modules():
        if type(child) is torch.nn.GroupNorm:
            child.__class__ = Norm32


def numbers(text):
    return [int(x) for x in text.split(",")]


def main():
    s = settings
    torch.set_num_threads(int(s["threads"]))
    torch.set_flush_denormal(True)
    torch.manual_seed(1)
    batch, side, channels = int(s["batch"]), int(s["side"]), int(s["channels"])
    net = UNet(channels, int(s["width"]), numbers(s["mult"]), int(s["blocks"]), numbers(s["attention"]), int(s["middle"]), int(s["heads"]))
    for module in net.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = float(s["dropout"])
    norms_in_fp32(net)
    layout = torch.channels_last if s["layout"] == "nhwc" else torch.contiguous_format
    net = net.to(memory_format=layout)
    image = (0.3 * torch.randn(batch, channels, side, side)).to(memory_format=layout)
    target = (0.1 * torch.randn(batch, channels, side, side)).to(memory_format=layout)
    level = torch.arange(batch) % 50 + 1
    params = list(net.parameters())
    average = [p.detach().clone() for p in params]
    adam = torch.optim.Adam(params, lr=1e-4)

    def step():
        adam.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=s["type"] == "bf16"):
            out = net(image, level)
        loss = ((out.float() - target) ** 2).sum() / batch
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        adam.step()
        with torch.no_grad():
            torch._foreach_mul_(average, 0.999)
            torch._foreach_add_(average, [p.detach() for p in params], alpha=0.001)

    seconds = []
    for i in range(-3, int(s["steps"])):
        start = time.perf_counter()
        step()
        if i >= 0:
            seconds.append(time.perf_counter() - start)
    print(f"peer {s['type']}-{s['layout']} {sorted(seconds)[len(seconds) // 2]:.5f}")


main()
