#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Golden values of the U-Net: an independent PyTorch implementation, run in double precision.

usage: unet_golden.py FOLDER        (Debian: python3-torch, python3-numpy)

Writes FOLDER/unet_NAME.bin for three small networks. Weights, image and target are not stored: both sides draw them from
Philox4x32-10 keyed by a hash of their names (see `uniform`; tests/golden/test_unet_golden.c has the same rule), and all
are random, also where training would start from zero, so that no gradient is trivially zero.

A file is a list of records, little endian: name char[64]; count, stride, kept int64; sum of squares, sum of products with
the uniforms of "NAME?" double; then `kept` float32, every stride-th element. Records: 'output' and the gradient of
sum((output - target)^2) / batch with respect to each parameter. Convolution weights are in O,H,W,I order.
"""
import math
import struct
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

STREAM_TEST = 11  # RNG_TEST of src/base/rng.h
NETS = {
    "a": dict(side=12, channels=1, batch=2, levels=[1, 40], width=64, mult=[1, 2], blocks=1, attention=[1], middle=True, heads=1),
    "b": dict(side=12, channels=3, batch=3, levels=[7, 100, 199], width=32, mult=[1, 2, 2], blocks=2, attention=[1, 2], middle=True, heads=2),
    "c": dict(side=20, channels=1, batch=2, levels=[0, 50], width=32, mult=[1, 2, 2], blocks=1, attention=[], middle=False, heads=1),
}


def fnv1a(text):
    h = 2166136261
    for byte in text.encode():
        h = (h ^ byte) * 16777619 & 0xFFFFFFFF
    return h


def philox(c, k):
    """Philox4x32-10 on arrays of counters c [4][n] with the key k [2]."""
    c = [np.asarray(x, dtype=np.uint64) for x in c]
    k0, k1 = k
    low = np.uint64(0xFFFFFFFF)
    shift = np.uint64(32)
    for _ in range(10):
        p0 = np.uint64(0xD2511F53) * c[0]
        p1 = np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> shift) ^ c[1] ^ np.uint64(k0), p1 & low, (p0 >> shift) ^ c[3] ^ np.uint64(k1), p0 & low]
        k0 = (k0 + 0x9E3779B9) & 0xFFFFFFFF
        k1 = (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c)


def uniform(name, count):
    """float32 uniforms in (-1, 1): seed 1, stream RNG_TEST, sample = hash of the name, step 0, block element/4."""
    blocks = np.arange((count + 3) // 4)
    zero = np.zeros_like(blocks)
    words = philox([blocks, zero, zero + fnv1a(name), zero + (STREAM_TEST << 24)], (1, 0)).T.reshape(-1)[:count]
    u = ((words >> np.uint64(8)).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-24)
    return np.float32(2) * u - np.float32(1)


class ResBlock(nn.Module):
    def __init__(self, c_in, c_out, emb):
        super().__init__()
        self.in_layers = nn.Sequential(nn.GroupNorm(32, c_in), nn.SiLU(), nn.Conv2d(c_in, c_out, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(emb, c_out))
        self.out_layers = nn.Sequential(nn.GroupNorm(32, c_out), nn.SiLU(), nn.Dropout(0.0), nn.Conv2d(c_out, c_out, 3, padding=1))
        self.skip_connection = nn.Identity() if c_in == c_out else nn.Conv2d(c_in, c_out, 1)

    def forward(self, x, emb):
        h = self.in_layers(x) + self.emb_layers(emb)[:, :, None, None]
        return self.skip_connection(x) + self.out_layers(h)


class Attention(nn.Module):
    def __init__(self, c, heads):
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(32, c)
        self.qkv = nn.Conv1d(c, 3 * c, 1)
        self.proj_out = nn.Conv1d(c, c, 1)

    def forward(self, x, emb):
        n, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x).reshape(n, c, h * w)).chunk(3, dim=1)
        q, k, v = (t.reshape(n, self.heads, c // self.heads, h * w) for t in (q, k, v))
        scores = torch.einsum("nhct,nhcs->nhts", q, k) / math.sqrt(c / self.heads)
        a = torch.einsum("nhts,nhcs->nhct", scores.softmax(dim=-1), v)
        return x + self.proj_out(a.reshape(n, c, h * w)).reshape(x.shape)


class Downsample(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.op = nn.Conv2d(c, c, 3, stride=2, padding=1)

    def forward(self, x, emb):
        return self.op(x)


class Upsample(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, padding=1)

    def forward(self, x, emb):
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


class Stem(nn.Conv2d):
    def forward(self, x, emb):
        return super().forward(x)


class UNet(nn.Module):
    def __init__(self, channels, width, mult, blocks, attention, middle, heads):
        super().__init__()
        self.width = width
        emb = 4 * width
        self.time_embed = nn.Sequential(nn.Linear(width, emb), nn.SiLU(), nn.Linear(emb, emb))
        c = width * mult[0]
        down, skips = [nn.ModuleList([Stem(channels, c, 3, padding=1)])], [c]
        for level, m in enumerate(mult):
            for _ in range(blocks):
                block = [ResBlock(c, width * m, emb)]
                c = width * m
                if level in attention:
                    block.append(Attention(c, heads))
                down.append(nn.ModuleList(block))
                skips.append(c)
            if level < len(mult) - 1:
                down.append(nn.ModuleList([Downsample(c)]))
                skips.append(c)
        self.input_blocks = nn.ModuleList(down)
        inner = {"0": ResBlock(c, c, emb)}
        if middle:
            inner["1"] = Attention(c, heads)
        inner["2"] = ResBlock(c, c, emb)
        self.middle_block = nn.ModuleDict(inner)
        up = []
        for level, m in reversed(list(enumerate(mult))):
            for i in range(blocks + 1):
                block = [ResBlock(c + skips.pop(), width * m, emb)]
                c = width * m
                if level in attention:
                    block.append(Attention(c, heads))
                if level > 0 and i == blocks:
                    block.append(Upsample(c))
                up.append(nn.ModuleList(block))
        self.output_blocks = nn.ModuleList(up)
        self.out = nn.Sequential(nn.GroupNorm(32, c), nn.SiLU(), nn.Conv2d(c, channels, 3, padding=1))

    def forward(self, x, level):
        half = self.width // 2
        freq = torch.exp(-math.log(10000.0) * torch.arange(half, dtype=x.dtype) / half)
        angle = level.to(x.dtype)[:, None] * freq
        emb = self.time_embed(torch.cat([angle.cos(), angle.sin()], dim=1))
        skips = []
        for block in self.input_blocks:
            for part in block:
                x = part(x, emb)
            skips.append(x)
        for part in self.middle_block.values():
            x = part(x, emb)
        for block in self.output_blocks:
            x = torch.cat([x, skips.pop()], dim=1)
            for part in block:
                x = part(x, emb)
        return self.out(x)


def to_ours(t):
    """[O,I,H,W] -> O,H,W,I flat; other shapes as they are."""
    t = t.detach()
    return (t.permute(0, 2, 3, 1) if t.dim() == 4 else t).contiguous().numpy().reshape(-1)


def golden_weights(net):
    for name, p in net.named_parameters():
        u = uniform(name, p.numel()).astype(np.float32)
        norm = name.endswith(".norm.weight") or (name.endswith(".weight") and p.dim() == 1)
        if norm:
            value = np.float32(1) + np.float32(0.25) * u
        elif name.endswith(".bias"):
            value = np.float32(0.25) * u
        else:
            value = np.float32(math.sqrt(3.0 * p.shape[0] / p.numel())) * u
        value = torch.from_numpy(value.astype(np.float64))
        if p.dim() == 4:
            o, i, h, w = p.shape
            value = value.reshape(o, h, w, i).permute(0, 3, 1, 2)
        p.data.copy_(value.reshape(p.shape))


def record(f, name, values):
    stride = (values.size + 127) // 128
    kept = values[::stride].astype("<f4")
    dot = float(values @ uniform(name + "?", values.size).astype(np.float64))
    f.write(struct.pack("<64sqqqdd", name.encode(), values.size, stride, kept.size, float(values @ values), dot))
    f.write(kept.tobytes())


def main():
    folder = sys.argv[1]
    for key, s in NETS.items():
        net = UNet(s["channels"], s["width"], s["mult"], s["blocks"], s["attention"], s["middle"], s["heads"]).double()
        golden_weights(net)
        n, side, c = s["batch"], s["side"], s["channels"]
        image, target = (torch.from_numpy(uniform(k, n * side * side * c).astype(np.float64)).reshape(n, side, side, c) for k in ("image", "target"))
        out = net(image.permute(0, 3, 1, 2), torch.tensor(s["levels"])).permute(0, 2, 3, 1)
        loss = ((out - target) ** 2).sum() / n
        loss.backward()
        with open(f"{folder}/unet_{key}.bin", "wb") as f:
            record(f, "output", out.detach().contiguous().numpy().reshape(-1))
            for name, p in net.named_parameters():
                record(f, name, to_ours(p.grad))
        print(key, sum(p.numel() for p in net.parameters()), "parameters, loss", float(loss))


if __name__ == "__main__":
    main()
