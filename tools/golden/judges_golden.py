#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Golden features of the networks that judge images: independent PyTorch implementations, run in double precision.

usage: judges_golden.py FOLDER [DATA]      (Debian: python3-torch, python3-numpy, python3-pil)

Writes FOLDER/inception.bin: 2048 float32 features of a square colour image and of a grey one that is not square, for the
resizing of pytorch-fid, then the same for that of clean-fid; and FOLDER/trunks.bin: float64 LPIPS shares of the taps of
squeeze (7), alex (5) and vgg (5) for a pair of images. The weights are not published ones but drawn from Philox4x32-10 by
their names (`uniform` of unet_golden.py; tests/golden/formula_weights.h has the same rule), so no large file is needed. The
architectures follow mseitzer/pytorch-fid, torchvision and richzhang/PerceptualSimilarity.

With DATA (a folder with squeezenet1_1 and lpips), also FOLDER/squeezenet.bin: 512 float32 features of lpips/ex_ref.png by
the published weights.
"""
import json
import math
import struct
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from unet_golden import uniform

SIDE = 40
GREY = (30, 52)  # height, width
PAIR_SIDE = 35  # at which pools that round up and pools that round down give other maps


class Conv(nn.Module):
    def __init__(self, c_in, c_out, **how):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, bias=False, **how)
        self.bn = nn.BatchNorm2d(c_out, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


def mean_pool(x):
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class A(nn.Module):
    def __init__(self, c, pool):
        super().__init__()
        self.branch1x1 = Conv(c, 64, kernel_size=1)
        self.branch5x5_1 = Conv(c, 48, kernel_size=1)
        self.branch5x5_2 = Conv(48, 64, kernel_size=5, padding=2)
        self.branch3x3dbl_1 = Conv(c, 64, kernel_size=1)
        self.branch3x3dbl_2 = Conv(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, kernel_size=3, padding=1)
        self.branch_pool = Conv(c, pool, kernel_size=1)

    def forward(self, x):
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool(mean_pool(x))], 1)


class B(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.branch3x3 = Conv(c, 384, kernel_size=3, stride=2)
        self.branch3x3dbl_1 = Conv(c, 64, kernel_size=1)
        self.branch3x3dbl_2 = Conv(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, kernel_size=3, stride=2)

    def forward(self, x):
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), three, F.max_pool2d(x, 3, 2)], 1)


class C(nn.Module):
    def __init__(self, c, c7):
        super().__init__()
        row, column = dict(kernel_size=(1, 7), padding=(0, 3)), dict(kernel_size=(7, 1), padding=(3, 0))
        self.branch1x1 = Conv(c, 192, kernel_size=1)
        self.branch7x7_1 = Conv(c, c7, kernel_size=1)
        self.branch7x7_2 = Conv(c7, c7, **row)
        self.branch7x7_3 = Conv(c7, 192, **column)
        self.branch7x7dbl_1 = Conv(c, c7, kernel_size=1)
        self.branch7x7dbl_2 = Conv(c7, c7, **column)
        self.branch7x7dbl_3 = Conv(c7, c7, **row)
        self.branch7x7dbl_4 = Conv(c7, c7, **column)
        self.branch7x7dbl_5 = Conv(c7, 192, **row)
        self.branch_pool = Conv(c, 192, kernel_size=1)

    def forward(self, x):
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(mean_pool(x))], 1)


class D(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.branch3x3_1 = Conv(c, 192, kernel_size=1)
        self.branch3x3_2 = Conv(192, 320, kernel_size=3, stride=2)
        self.branch7x7x3_1 = Conv(c, 192, kernel_size=1)
        self.branch7x7x3_2 = Conv(192, 192, kernel_size=(1, 7), padding=(0, 3))
        self.branch7x7x3_3 = Conv(192, 192, kernel_size=(7, 1), padding=(3, 0))
        self.branch7x7x3_4 = Conv(192, 192, kernel_size=3, stride=2)

    def forward(self, x):
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([three, seven, F.max_pool2d(x, 3, 2)], 1)


class E(nn.Module):
    def __init__(self, c, pool):
        super().__init__()
        row, column = dict(kernel_size=(1, 3), padding=(0, 1)), dict(kernel_size=(3, 1), padding=(1, 0))
        self.pool = pool
        self.branch1x1 = Conv(c, 320, kernel_size=1)
        self.branch3x3_1 = Conv(c, 384, kernel_size=1)
        self.branch3x3_2a = Conv(384, 384, **row)
        self.branch3x3_2b = Conv(384, 384, **column)
        self.branch3x3dbl_1 = Conv(c, 448, kernel_size=1)
        self.branch3x3dbl_2 = Conv(448, 384, kernel_size=3, padding=1)
        self.branch3x3dbl_3a = Conv(384, 384, **row)
        self.branch3x3dbl_3b = Conv(384, 384, **column)
        self.branch_pool = Conv(c, 192, kernel_size=1)

    def forward(self, x):
        three = self.branch3x3_1(x)
        three = torch.cat([self.branch3x3_2a(three), self.branch3x3_2b(three)], 1)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        double = torch.cat([self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)], 1)
        return torch.cat([self.branch1x1(x), three, double, self.branch_pool(self.pool(x))], 1)


class Inception(nn.Module):
    def __init__(self):
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = Conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = Conv(32, 64, kernel_size=3, padding=1)
        self.Conv2d_3b_1x1 = Conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = Conv(80, 192, kernel_size=3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = A(192, 32), A(256, 64), A(288, 64)
        self.Mixed_6a = B(288)
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = C(768, 128), C(768, 160), C(768, 160), C(768, 192)
        self.Mixed_7a = D(768)
        self.Mixed_7b = E(1280, mean_pool)
        self.Mixed_7c = E(2048, lambda x: F.max_pool2d(x, 3, 1, 1))

    def forward(self, x):
        x = F.max_pool2d(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))), 3, 2)
        x = F.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)), 3, 2)
        for block in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"):
            x = getattr(self, "Mixed_" + block)(x)
        return x.mean(dim=(2, 3))


def golden_weights(net):
    """Convolutions keep the size of what passes through ReLU; norms are near one; variances are positive."""
    for name, t in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        u = uniform(name, t.numel())
        if name.endswith("conv.weight"):
            value = np.float32(math.sqrt(6.0 * t.shape[0] / t.numel())) * u
        elif name.endswith("bn.weight") or name.endswith("running_var"):
            value = np.float32(1) + np.float32(0.25) * u
        else:
            value = np.float32(0.25) * u
        t.copy_(torch.from_numpy(value.astype(np.float64)).reshape(t.shape))


def picture(height, width, channels, which=0):
    """8 bits, steep and flat in turn."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    return ((3 * x * x + 7 * (c + 1) * y + 11 * (x * y * (c + 2) % 13) + 50 * which) % 256).astype(np.float64)


def pytorch_fid(image):
    chw = torch.from_numpy(image.transpose(2, 0, 1))[None]
    return 2 * F.interpolate(chw / 255, size=(299, 299), mode="bilinear", align_corners=False) - 1


def clean_fid(image):
    from PIL import Image  # here, for the networks above serve without it

    planes = [np.asarray(Image.fromarray(image[:, :, c].astype(np.float32), mode="F").resize((299, 299), Image.BICUBIC)) for c in range(3)]
    return torch.from_numpy((np.clip(np.stack(planes).astype(np.float64), 0, 255) - 128) / 128)[None]


def inception(folder):
    net = Inception().double().eval()
    golden_weights(net)
    images = picture(SIDE, SIDE, 3), np.repeat(picture(*GREY, 1), 3, axis=2)
    with torch.no_grad(), open(f"{folder}/inception.bin", "wb") as f:
        for resize in (pytorch_fid, clean_fid):
            for image in images:
                y = net(resize(image))[0].numpy()
                print("inception: features", y.mean(), y.std())
                f.write(y.astype("<f4").tobytes())


class Fire(nn.Module):
    def __init__(self, c_in, squeeze, expand):
        super().__init__()
        self.squeeze = nn.Conv2d(c_in, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], 1)


def vgg_layers():
    """Configuration D: numbers are channels of a 3 x 3 convolution."""
    layers, c_in = [], 3
    for c in (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512):
        layers += [nn.MaxPool2d(2, 2)] if c == "M" else [nn.Conv2d(c_in, c, 3, padding=1), nn.ReLU()]
        c_in = c_in if c == "M" else c
    return layers


def pool_up():
    return nn.MaxPool2d(3, 2, ceil_mode=True)


def pool_down():
    return nn.MaxPool2d(3, 2)


# layers with torchvision's numbers, and behind how many of them each tap lies
TRUNKS = {
    "squeeze": (
        lambda: [nn.Conv2d(3, 64, 3, stride=2), nn.ReLU(), pool_up(), Fire(64, 16, 64), Fire(128, 16, 64), pool_up(), Fire(128, 32, 128),
                 Fire(256, 32, 128), pool_up(), Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256)],
        (2, 5, 8, 10, 11, 12, 13),
    ),
    "alex": (
        lambda: [nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), pool_down(), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), pool_down(),
                 nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
                 nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()],
        (2, 5, 8, 10, 12),
    ),
    "vgg": (vgg_layers, (4, 9, 16, 23, 30)),
}


def lpips(name, a, b):
    """Shares of the taps, version 0.1."""
    layers, ends = TRUNKS[name]
    net = nn.Sequential(*layers()).double()
    for key, t in net.state_dict().items():
        u = uniform("features." + key, t.numel())
        scale = np.float32(math.sqrt(6.0 * t.shape[0] / t.numel())) if t.dim() == 4 else np.float32(0.25)
        t.copy_(torch.from_numpy((scale * u).astype(np.float64)).reshape(t.shape))
    shift, scale = (torch.tensor(v, dtype=torch.float64)[:, None, None] for v in ([-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]))
    maps = [((2 * torch.from_numpy(x.transpose(2, 0, 1)) / 255 - 1) - shift) / scale for x in (a, b)]
    shares, at = [], 0
    for tap, end in enumerate(ends):
        maps = [net[at:end](x[None])[0] for x in maps]
        at = end
        p, q = (x / (x.square().sum(0, keepdim=True).sqrt() + 1e-10) for x in maps)
        w = torch.from_numpy(0.5 + 0.5 * uniform(f"{name}.lin{tap}.model.1.weight", len(p)).astype(np.float64))
        shares.append(((p - q).square() * w[:, None, None]).sum(0).mean().item())
    print(name, shares)
    return shares


def trunks(folder):
    a, b = (picture(PAIR_SIDE, PAIR_SIDE, 3, which) for which in (0, 1))
    with torch.no_grad(), open(f"{folder}/trunks.bin", "wb") as f:
        for name in TRUNKS:
            f.write(np.array(lpips(name, a, b), "<f8").tobytes())


def read_safetensors(path):
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        header, data = json.loads(f.read(size)), f.read()
    header.pop("__metadata__", None)
    return {k: torch.from_numpy(np.frombuffer(data[slice(*v["data_offsets"])], "<f4").reshape(v["shape"]).astype(np.float64)) for k, v in header.items()}


def squeezenet(folder, data):
    from PIL import Image  # here, for the networks above serve without it

    w = read_safetensors(f"{data}/squeezenet1_1/squeezenet1_1-fp16as32.safetensors")
    image = np.asarray(Image.open(f"{data}/lpips/ex_ref.png").convert("RGB")) / 255
    x = torch.from_numpy(((image - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).transpose(2, 0, 1))[None]

    def conv(x, name, **how):
        return F.relu(F.conv2d(x, w[name + ".weight"], w[name + ".bias"], **how))

    for i in range(13):
        p = f"features.{i}"
        if i == 0:
            x = conv(x, p, stride=2)
        elif i in (2, 5, 8):
            x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        elif i > 2:
            s = conv(x, p + ".squeeze")
            x = torch.cat([conv(s, p + ".expand1x1"), conv(s, p + ".expand3x3", padding=1)], 1)
    y = x.mean(dim=(2, 3))[0].numpy()
    print("squeezenet: features", y.mean(), y.std())
    with open(f"{folder}/squeezenet.bin", "wb") as f:
        f.write(y.astype("<f4").tobytes())


if __name__ == "__main__":
    torch.set_num_threads(2)
    inception(sys.argv[1])
    trunks(sys.argv[1])
    if len(sys.argv) > 2:
        squeezenet(sys.argv[1], sys.argv[2])
