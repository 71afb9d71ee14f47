#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training and sampling of a U-Net on one device: PyTorch against bench_train, alternating in one run.

usage: peer_unet.py BENCH_TRAIN [key=value ...], the keys of bench_train and forms=compile,eager,autotune repeats=5
       sample_batch=BATCH levels=200 (0: no sampling) parameters=1 (compares their number and ends) budget=SECONDS

The peer has what is known to make it fast: channels_last, bf16 autocast, fused Adam, scaled_dot_product_attention, and a
CUDA graph of the evaluation in sampling; its forms are torch.compile, as it comes, and torch.compile with max-autotune
(which for training has CUDA graphs of its own). A form that PyTorch cannot do here, or not within what is left of
`budget`, is left out and said. Lines "train|sample FORM ..." come as they are measured: images a second of both
(smallest to largest), and ours / peer: the median and spread of the ratios of neighbours. Preparing and compiling are
not counted. Ends with exit code 1 if the two networks do not have the same number of parameters."""
import os
import signal
import statistics
import sys
import time

settings = dict(device="cuda", type="bf16", threads="2", batch="64", side="64", channels="3", width="128", mult="1,2,2,3", blocks="2",
                attention="3", middle="1", heads="1", dropout="0", steps="20", forms="compile,eager,autotune", repeats="5",
                levels="200", sample_batch="", parameters="0", budget="1e9")
own_keys = ("forms", "repeats", "levels", "sample_batch", "parameters", "batch", "steps", "budget")
started = time.monotonic()
if len(sys.argv) < 2:
    sys.exit(__doc__)
bench = sys.argv[1]
for argument in sys.argv[2:]:
    key, _, text = argument.partition("=")
    if key not in settings:
        sys.exit(f"unknown argument '{argument}'")
    settings[key] = text
s = settings
if s["device"] == "cpu":
    os.environ["OMP_NUM_THREADS"] = s["threads"]
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))

import torch  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import unet_golden  # noqa: E402
from peer_ask import Ours, in_turn  # noqa: E402

on_gpu = s["device"] == "cuda"
channels_last = torch.channels_last


class Norm32(torch.nn.GroupNorm):
    def forward(self, x):
        return super().forward(x.float()).to(x.dtype)


class FusedAttention(unet_golden.Attention):
    def forward(self, x, emb):
        n, c, h, w = x.shape
        qkv = self.qkv(self.norm(x).reshape(n, c, h * w)).reshape(n, 3, self.heads, c // self.heads, h * w)
        q, k, v = qkv.transpose(3, 4).unbind(1)
        a = F.scaled_dot_product_attention(q, k, v).transpose(2, 3)
        return x + self.proj_out(a.reshape(n, c, h * w)).reshape(x.shape)


def numbers(text):
    return [int(x) for x in text.split(",")]


def make_net():
    torch.manual_seed(1)
    net = unet_golden.UNet(int(s["channels"]), int(s["width"]), numbers(s["mult"]), int(s["blocks"]), numbers(s["attention"]),
                           int(s["middle"]), int(s["heads"]))
    for module in net.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = float(s["dropout"])
        if type(module) is torch.nn.GroupNorm:
            module.__class__ = Norm32
        if type(module) is unet_golden.Attention and hasattr(F, "scaled_dot_product_attention"):
            module.__class__ = FusedAttention
    return net.to(s["device"]).to(memory_format=channels_last)


def random(batch, scale):
    shape = (batch, int(s["channels"]), int(s["side"]), int(s["side"]))
    return (scale * torch.randn(shape, device=s["device"])).to(memory_format=channels_last)


def autocast():
    return torch.autocast(s["device"], dtype=torch.bfloat16, enabled=s["type"] == "bf16")


def wait():
    if on_gpu:
        torch.cuda.synchronize()


def compiled(net, form, for_graph):
    if form == "eager":
        return net
    if not hasattr(torch, "compile"):
        raise RuntimeError("this PyTorch has no torch.compile")
    mode = None if form == "compile" else "max-autotune-no-cudagraphs" if for_graph else "max-autotune"
    return torch.compile(net, mode=mode)


def ours(**changes):
    keys = {k: v for k, v in s.items() if k not in own_keys}
    keys.update(changes, serve=1)
    return Ours([bench] + [f"{k}={v}" for k, v in keys.items()])


def seconds_left():
    return float(s["budget"]) - (time.monotonic() - started)


def training(form):
    """A function that makes `steps` training steps and returns the median seconds of one."""
    batch = int(s["batch"])
    net = make_net().train()
    fast = compiled(net, form, False)
    params = list(net.parameters())
    average = [p.detach().clone() for p in params]
    adam = torch.optim.Adam(params, lr=1e-4, **({"fused": True} if on_gpu else {}))
    image, target = random(batch, 0.3), random(batch, 0.1)
    level = torch.arange(batch, device=s["device"]) % 50 + 1

    def step():
        adam.zero_grad(set_to_none=True)
        with autocast():
            out = fast(image, level)
        loss = ((out.float() - target) ** 2).sum() / batch
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        adam.step()
        with torch.no_grad():
            torch._foreach_mul_(average, 0.999)
            torch._foreach_add_(average, [p.detach() for p in params], alpha=0.001)

    def median():
        seconds = []
        for i in range(-3, int(s["steps"])):
            wait()
            start = time.perf_counter()
            step()
            wait()
            if i >= 0:
                seconds.append(time.perf_counter() - start)
        return statistics.median(seconds)

    return median


def sampling(form):
    """A function that walks `levels` steps and returns the seconds."""
    batch, levels = int(s["sample_batch"] or s["batch"]), int(s["levels"])
    net = make_net().eval()
    fast = compiled(net, form, True)
    x = random(batch, 0.3)
    noise = torch.empty_like(x)
    level = torch.zeros(batch, dtype=torch.int64, device=s["device"])

    def evaluate():
        x.add_(noise)
        with autocast():
            y = fast(x, level)
        x.add_(y.float())

    def walk(once):
        wait()
        start = time.perf_counter()
        for k in range(levels, 0, -1):
            level.fill_(k)
            noise.normal_(0, 0.0125)
            once()
        wait()
        return time.perf_counter() - start

    with torch.no_grad():
        once = evaluate
        if on_gpu:
            side_stream = torch.cuda.Stream()
            side_stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side_stream):
                for _ in range(3):
                    evaluate()
            torch.cuda.current_stream().wait_stream(side_stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                evaluate()
            once = graph.replay
        walk(once)

    def seconds():
        with torch.no_grad():
            return walk(once)

    return seconds


def out_of_time(number, frame):
    raise TimeoutError("no time left")


def attempt(what, form, images, make, own):
    """A line about one form."""
    try:
        if seconds_left() < 10:
            raise TimeoutError("no time left")
        signal.alarm(max(1, int(min(seconds_left(), 1e6))))
        seconds = make(form)
        seconds()
    except Exception as error:  # whatever PyTorch cannot do here
        print(f"{what} {form}: left out: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", flush=True)
        return
    finally:
        signal.alarm(0)
    text = in_turn(lambda: images / seconds(), lambda: images / own(), int(s["repeats"]), seconds_left)
    print(f"{what} {form}: {text}", flush=True)


def main():
    signal.signal(signal.SIGALRM, out_of_time)
    if not on_gpu:
        torch.set_num_threads(int(s["threads"]))
    torch.backends.cudnn.benchmark = True
    batch, levels = int(s["batch"]), int(s["levels"])
    sample_batch = int(s["sample_batch"] or batch)
    only_count = s["parameters"] == "1"
    train = ours(batch=batch, steps=1 if only_count else s["steps"])
    mine = sum(p.numel() for p in make_net().parameters())
    theirs = int(train.before[0].split()[1])
    print(f"parameters: PyTorch {mine}, ours {theirs}; PyTorch {torch.__version__}", flush=True)
    if mine != theirs:
        sys.exit("the networks differ")
    if only_count:
        return
    sample = None
    for form in s["forms"].split(","):
        attempt("train", form, batch, training, train)
        if levels > 0 and seconds_left() > 10 and not sample:
            sample = ours(batch=sample_batch, levels=levels, steps=1)
        if levels > 0:
            attempt("sample", form, sample_batch, sampling, sample)


main()
