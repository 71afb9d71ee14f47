# SPDX-License-Identifier: Apache-2.0
"""Reading .pth files without executing anything in them. A .pth file is a pickle, which may name any function to be
called; torch.load's weights_only mode refuses that, but in Debian's 1.13 it refuses floating-point numbers as well, and
ignores a pickle_module that is given. So here are the two formats, read with an unpickler that knows tensors and plain
containers and nothing else."""
import collections
import pickle
import struct
import sys
import zipfile

import torch

STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def rebuild_tensor(storage, offset, size, stride, *_):
    if offset + sum((n - 1) * s for n, s in zip(size, stride)) >= storage.numel() and 0 not in size:
        raise pickle.UnpicklingError("a tensor reaches beyond its numbers")
    return storage.as_strided(size, stride, offset)


def rebuild_parameter(tensor, *_):
    return tensor


class Unpickler(pickle.Unpickler):
    def __init__(self, file, storage):
        super().__init__(file, encoding="utf-8")
        self.storage = storage

    def find_class(self, module, name):
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        known = {"OrderedDict": collections.OrderedDict, "_rebuild_tensor_v2": rebuild_tensor, "_rebuild_tensor": rebuild_tensor, "_rebuild_parameter": rebuild_parameter}
        if (module, name) == ("collections", "OrderedDict") or (module == "torch._utils" and name in known):
            return known[name]
        raise pickle.UnpicklingError(f"{module}.{name} is not a tensor or a plain container")

    def persistent_load(self, what):
        kind, dtype, key, _, count = what[:5]
        if kind != "storage" or not isinstance(dtype, torch.dtype) or any(part is not None for part in what[5:]):
            raise pickle.UnpicklingError("an unknown kind of tensor storage")
        return self.storage(dtype, key, count)


def load_zip(path):
    with zipfile.ZipFile(path) as z:
        table = next(n for n in z.namelist() if n.endswith("/data.pkl"))
        folder = table[: -len("data.pkl")]

        def storage(dtype, key, count):
            data = torch.frombuffer(bytearray(z.read(f"{folder}data/{key}")), dtype=dtype)
            return data[:count]

        with z.open(table) as f:
            return Unpickler(f, storage).load()


def load_old(path):
    """Five pickles (magic number, version, machine, the object, keys), then the numbers of each key."""
    storages = {}

    def storage(dtype, key, count):
        return storages.setdefault(key, torch.zeros(count, dtype=dtype))

    with open(path, "rb") as f:
        _, _, _, result, keys = (Unpickler(f, storage).load() for _ in range(5))
        for key in keys:
            (count,) = struct.unpack("<q", f.read(8))
            flat = storages[key]
            if count != flat.numel():
                raise pickle.UnpicklingError(f"{count} numbers where {flat.numel()} were announced")
            flat.copy_(torch.frombuffer(bytearray(f.read(count * flat.element_size())), dtype=flat.dtype))
    return result


def load(path):
    """What torch.save wrote: tensors in dictionaries and lists."""
    try:
        return load_zip(path) if zipfile.is_zipfile(path) else load_old(path)
    except (pickle.UnpicklingError, EOFError, KeyError, ValueError, StopIteration, struct.error) as e:
        sys.exit(f"{path}: not read: {e}")
