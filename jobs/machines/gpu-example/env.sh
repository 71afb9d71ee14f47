# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# Example of a site with GPU nodes. Copy the folder, put your site's module names here.
# module purge
# module load gcc cuda cudnn nccl openmpi hdf5-parallel fftw onednn openblas
export PECLET_LAUNCHER=srun
export PECLET_PMI=pmix
export NCCL_DEBUG=WARN # says what is wrong with the network, and nothing else
