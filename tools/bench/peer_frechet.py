# SPDX-License-Identifier: Apache-2.0
# Frechet distance as in mseitzer/pytorch-fid (calculate_frechet_distance): scipy.linalg.sqrtm of the product of the
# covariances, on the moments that bench_frechet wrote. Prints "scipy SECONDS DISTANCE".
import sys
import time

import numpy
from scipy import linalg

values = numpy.fromfile(sys.argv[1])
d = int(values[0])
mean1, s1, mean2, s2 = numpy.split(values[1:], numpy.cumsum([d, d * d, d]))
s1, s2 = s1.reshape(d, d), s2.reshape(d, d)
start = time.perf_counter()
root = linalg.sqrtm(s1.dot(s2), disp=False)[0].real
shift = mean1 - mean2
distance = shift.dot(shift) + numpy.trace(s1) + numpy.trace(s2) - 2 * numpy.trace(root)
print(f"scipy {time.perf_counter() - start:.4f} {distance:.12g}")
