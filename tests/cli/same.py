# SPDX-License-Identifier: Apache-2.0
"""same.py A.h5 B.h5 [DATASET ...]: exit 0 if the datasets (all, if none is named) hold the same bytes."""
import sys
import h5py

a, b = h5py.File(sys.argv[1], "r"), h5py.File(sys.argv[2], "r")
names = []
a.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
if len(sys.argv) > 3:
    names = sys.argv[3:]
if not names:
    sys.exit("no datasets in " + sys.argv[1])
for name in names:
    if name not in b:
        sys.exit(f"{name} is not in {sys.argv[2]}")
    x, y = a[name], b[name]
    if x.shape != y.shape or x.dtype != y.dtype or x[()].tobytes() != y[()].tobytes():
        sys.exit(f"{name} differs")
print(len(names), "datasets are the same")
