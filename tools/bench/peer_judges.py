#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Networks that judge images, fp32, host memory to features in host memory: PyTorch against bench_judges, in turn.

usage: peer_judges.py BENCH_JUDGES [device=cuda] [nets=squeeze,inception] [batch=64] [steps=20] [repeats=5] [budget=SECONDS]

PyTorch runs with cudnn.benchmark, as it comes and with channels_last, once with TF32 in convolutions forbidden (ours never
uses it) and once allowed (PyTorch's own default). Lines "NET tf32=off|on LAYOUT ..." as in peer_unet.py. Weights are random."""
import os
import statistics
import sys
import time

settings = dict(device="cuda", nets="squeeze,inception", batch="64", steps="20", repeats="5", budget="1e9", threads="0")
started = time.monotonic()
if len(sys.argv) < 2:
    sys.exit(__doc__)
for argument in sys.argv[2:]:
    key, _, text = argument.partition("=")
    if key not in settings:
        sys.exit(f"unknown argument '{argument}'")
    settings[key] = text
s = settings
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))

import torch  # noqa: E402
from torch import nn  # noqa: E402

from judges_golden import Inception  # noqa: E402
from peer_ask import Ours, in_turn  # noqa: E402


class Fire(nn.Module):
    def __init__(self, c, squeeze, expand):
        super().__init__()
        self.squeeze = nn.Conv2d(c, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.relu(self.squeeze(x))
        return torch.cat([self.relu(self.expand1x1(x)), self.relu(self.expand3x3(x))], 1)


class Squeeze(nn.Module):
    """SqueezeNet 1.1, features."""

    def __init__(self):
        super().__init__()
        def pool():
            return nn.MaxPool2d(3, 2, ceil_mode=True)
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 3, stride=2), nn.ReLU(inplace=True), pool(), Fire(64, 16, 64), Fire(128, 16, 64), pool(),
            Fire(128, 32, 128), Fire(256, 32, 128), pool(), Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256))

    def forward(self, x):
        return self.features(x).mean(dim=(2, 3))


NETS = {"squeeze": (Squeeze, 224), "inception": (Inception, 299)}


def seconds_left():
    return float(s["budget"]) - (time.monotonic() - started)


def peer(name, layout):
    """A function that returns images a second, the median of `steps` batches."""
    make, side = NETS[name]
    torch.manual_seed(1)
    batch = int(s["batch"])
    net = make().eval().to(s["device"]).to(memory_format=layout)
    images = torch.rand(batch, 3, side, side).to(memory_format=layout)

    def rate():
        seconds = []
        for i in range(-2, int(s["steps"])):
            start = time.perf_counter()
            with torch.no_grad():
                net(images.to(s["device"])).cpu()
            if i >= 0:
                seconds.append(time.perf_counter() - start)
        return batch / statistics.median(seconds)

    return rate


def main():
    torch.backends.cudnn.benchmark = True
    if int(s["threads"]) > 0:
        torch.set_num_threads(int(s["threads"]))
    for name in s["nets"].split(","):
        if seconds_left() < 10:
            print(f"{name}: left out: no time left", flush=True)
            continue
        ours = Ours([sys.argv[1], s["device"], name, s["batch"], s["steps"]])
        for allowed in (False, True):
            if allowed and s["device"] == "cpu":
                continue
            torch.backends.cudnn.allow_tf32 = allowed
            for layout, word in ((torch.contiguous_format, "nchw"), (torch.channels_last, "nhwc")):
                head = f"{name} tf32={'on' if allowed else 'off'} {word}"
                if seconds_left() < 10:
                    print(f"{head}: left out: no time left", flush=True)
                    continue
                rate = peer(name, layout)
                rate()
                print(f"{head}: {in_turn(rate, ours, int(s['repeats']), seconds_left)}", flush=True)
        ours.close()


main()
