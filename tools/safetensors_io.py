# SPDX-License-Identifier: Apache-2.0
"""Reading and writing safetensors files with PyTorch alone (the package of that name is not in Debian)."""
import json
import struct

import torch

TYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64, "I32": torch.int32, "U8": torch.uint8}


def read(path):
    """tensors by name, metadata"""
    with open(path, "rb") as f:
        (size,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(size))
        data = bytearray(f.read())
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, t in header.items():
        first, end = t["data_offsets"]
        dtype = TYPES[t["dtype"]]
        flat = torch.frombuffer(data[first:end], dtype=dtype) if end > first else torch.empty(0, dtype=dtype)
        tensors[name] = flat.reshape(t["shape"])
    return tensors, metadata


def write(path, tensors, metadata):
    """all as float32"""
    header, at, blobs = {"__metadata__": metadata} if metadata else {}, 0, []
    for name, t in tensors.items():
        blob = t.detach().to(torch.float32).contiguous().cpu().numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [at, at + len(blob)]}
        at += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.writelines(blobs)
