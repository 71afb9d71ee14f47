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
welcome=(chromium) # tests that look at pages; where apt does not have it they say that they are skipped

wanted=("${build[@]}")
if [ "${1:-}" = tests ]; then
    wanted+=("${tests[@]}")
else
    welcome=()
fi

if ! command -v dpkg-query >/dev/null; then
    echo "bootstrap: not a Debian system; untested elsewhere. Install the counterparts of: ${wanted[*]}" >&2
    exit 0
fi

absent() { # PACKAGE...: those that are not installed
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
    done
}
in_apt() { # PACKAGE...: those that apt knows
    for package in "$@"; do
        [ -z "$(apt-cache madison "$package" 2>/dev/null)" ] || echo "$package"
    done
}
mapfile -t missing < <(absent "${wanted[@]}")
mapfile -t welcome < <(absent "${welcome[@]}")
mapfile -t known < <(in_apt "${welcome[@]}")
if [ $((${#missing[@]} + ${#known[@]})) -eq 0 ]; then
    exit 0
fi

install="apt-get update && apt-get install -y --no-install-recommends ${missing[*]} ${known[*]}"
if [ "$(id -u)" -eq 0 ]; then
    as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo)
else
    echo "bootstrap: these packages are missing; as root run" >&2
    echo "    $install" >&2
    exit $((${#missing[@]} > 0))
fi
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
mapfile -t known < <(in_apt "${welcome[@]}")
missing+=("${known[@]}")
echo "bootstrap: installing ${missing[*]}"
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
