# SPDX-License-Identifier: Apache-2.0
# Spack recipe. UNTESTED: written from Spack's documentation, never run. Put it into a repository of your own as
# packages/peclet/package.py (`spack repo create`), set url or git to where you keep the sources, then `spack install peclet`.
from spack.package import *


class Peclet(CMakePackage):
    """Generative models that corrupt images with fluid dynamics: lattice Boltzmann, U-Net, MPI."""

    maintainers = []
    license("Apache-2.0")
    version("develop", branch="main")

    variant("mpi", default=True, description="several ranks through MPI and parallel HDF5")
    variant("fftw", default=True, description="fast transforms of large fields (GPL)")
    variant("cuda", default=False, description="NVIDIA GPUs through CUDA and cuDNN")

    depends_on("c", type="build")
    depends_on("cxx", type="build", when="+cuda")
    depends_on("cmake@3.25:", type="build")
    depends_on("ninja", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi", when="+mpi")
    depends_on("hdf5@1.10: +mpi", when="+mpi")
    depends_on("hdf5@1.10: ~mpi", when="~mpi")
    depends_on("fftw@3: precision=float", when="+fftw")
    depends_on("onednn@2.6:2")
    depends_on("openblas")
    depends_on("netlib-lapack +lapacke")
    depends_on("libpng")
    depends_on("zlib-api")
    depends_on("libjpeg-turbo")
    depends_on("libwebp")
    depends_on("libzip")
    depends_on("lmdb")
    depends_on("freetype")
    depends_on("cuda@12:", when="+cuda")
    depends_on("cudnn@9:", when="+cuda")

    generator("ninja")

    def cmake_args(self):
        def on_off(variant):
            return "ON" if self.spec.satisfies(f"+{variant}") else "OFF"

        return [
            f"-DPECLET_MPI={on_off('mpi')}",
            f"-DPECLET_FFTW={on_off('fftw')}",
            f"-DPECLET_CUDA={on_off('cuda')}",
            "-DBUILD_TESTING=OFF",
        ]
