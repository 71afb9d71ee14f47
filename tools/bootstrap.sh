#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that peclet needs and that are missing, or says which command would where it may not.
#   tools/bootstrap.sh          to build and run
#   tools/bootstrap.sh tests    also what the tests and golden values need
set -euo pipefail

build=(build-essential cmake ninja-build pkg-config libopenmpi-dev openmpi-bin libhdf5-openmpi-dev hdf5-tools
    libfftw3-dev libdnnl-dev liblapacke-dev libopenblas-dev libpng-dev zlib1g-dev libjpeg62-turbo-dev libwebp-dev
    libzip-dev liblmdb-dev libfreetype-dev dataset-fashion-mnist fonts-noto-color-emoji)
tests=(patchelf python3-numpy python3-h5py python3-scipy python3-torch python3-pil gfortran
    shellcheck slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge)

wanted=("${build[@]}")
if [ "${1:-}" = tests ]; then
    wanted+=("${tests[@]}")
fi

if ! command -v dpkg-query >/dev/null; then
    echo "bootstrap: not a Debian system; untested elsewhere. Install the counterparts of: ${wanted[*]}" >&2
    exit 0
fi

missing=()
for package in "${wanted[@]}"; do
    if ! dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed'; then
        missing+=("$package")
    fi
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

install="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
if [ "$(id -u)" -eq 0 ]; then
    as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo)
else
    echo "bootstrap: these packages are missing; as root run" >&2
    echo "    $install" >&2
    exit 1
fi
echo "bootstrap: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
