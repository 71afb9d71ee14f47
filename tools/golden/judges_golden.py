#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Golden features of the networks that judge images: independent PyTorch implementations, run in double precision.

usage: judges_golden.py FOLDER [DATA]      (Debian: python3-torch, python3-numpy, python3-pil)

Writes FOLDER/inception.bin: 2048 float32 features of one image for the resizing of pytorch-fid, then 2048 for that of
clean-fid. The weights are not published ones but drawn from Philox4x32-10 by their names (`uniform` of unet_golden.py;
tests/golden/test_inception.c has the same rule), so no large file is needed. The architecture follows mseitzer/pytorch-fid.

With DATA (a folder with squeezenet1_1 and lpips), also FOLDER/squeezenet.bin: 512 float32 features of lpips/ex_ref.png by
the published weights.
"""
import json
import math
import struct
import sys

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from unet_golden import uniform

SIDE = 40


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


def picture():
    """8-bit RGB, steep and flat in turn."""
    y, x, c = np.meshgrid(np.arange(SIDE), np.arange(SIDE), np.arange(3), indexing="ij")
    return ((3 * x * x + 7 * (c + 1) * y + 11 * (x * y * (c + 2) % 13)) % 256).astype(np.float64)


def inception(folder):
    net = Inception().double().eval()
    golden_weights(net)
    image = picture()
    chw = torch.from_numpy(image.transpose(2, 0, 1))[None]
    pytorch = 2 * F.interpolate(chw / 255, size=(299, 299), mode="bilinear", align_corners=False) - 1
    planes = [np.asarray(Image.fromarray(image[:, :, c].astype(np.float32), mode="F").resize((299, 299), Image.BICUBIC)) for c in range(3)]
    clean = torch.from_numpy((np.clip(np.stack(planes).astype(np.float64), 0, 255) - 128) / 128)[None]
    with torch.no_grad(), open(f"{folder}/inception.bin", "wb") as f:
        for x in (pytorch, clean):
            y = net(x)[0].numpy()
            print("inception: features", y.mean(), y.std())
            f.write(y.astype("<f4").tobytes())


def read_safetensors(path):
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        header, data = json.loads(f.read(size)), f.read()
    header.pop("__metadata__", None)
    return {k: torch.from_numpy(np.frombuffer(data[slice(*v["data_offsets"])], "<f4").reshape(v["shape"]).astype(np.float64)) for k, v in header.items()}


def squeezenet(folder, data):
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
    if len(sys.argv) > 2:
        squeezenet(sys.argv[1], sys.argv[2])
