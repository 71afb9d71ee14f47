# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# Example of a site with CPU nodes. Copy the folder, put your site's module names here. Sourced on the login node by
# jobs/submit.sh and at the start of every job. The same modules as at build time.
# module purge
# module load gcc openmpi hdf5-parallel fftw onednn openblas
export PECLET_LAUNCHER=srun # or mpirun
export PECLET_PMI=pmix      # srun --mpi=list shows what there is
# Lustre and GPFS: HDF5's file locks fail on some mounts
# export HDF5_USE_FILE_LOCKING=FALSE
