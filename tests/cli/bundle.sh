# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the tests of the bundle in place of common.sh: packs it into a folder beside the build, which stays, so that only
# what changed is compiled; unpacks it here; bare runs a command in it as a machine would that has nothing but glibc and
# CUDA's libraries as Python packages.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_images
nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null)
build=$(dirname "$peclet")
[ -f "$build/libpeclet_cuda.a" ] || { echo "skipped: a build without CUDA"; exit 77; }
! grep -q '^PECLET_SANITIZE:BOOL=ON' "$build/CMakeCache.txt" || { echo "skipped: a build with sanitizers"; exit 77; }

CUDACXX=$nvcc expect 0 ' MB, commit ' "$source_dir/tools/bundle.sh" "$work/bundle.tar.gz" "$build/bundle" -DPECLET_CUDA_FROM="$build" \
    -DPECLET_WERROR=ON
tar -xzf bundle.tar.gz || { fail 'the bundle does not unpack'; finish; }
cd peclet-gpu || exit 1

toolkit=$(dirname "$(dirname "$nvcc")")/lib64
mkdir -p "$work"/packages/nvidia/{cu13,cudnn,nccl,cufft}/lib
ln -s "$toolkit"/libcudart.so.* "$work/packages/nvidia/cu13/lib"
ln -s "$toolkit"/libcudnn*.so.* "$work/packages/nvidia/cudnn/lib"
ln -s "$toolkit"/libnccl.so.* "$work/packages/nvidia/nccl/lib"
ln -s "$toolkit"/libcufft.so.* "$work/packages/nvidia/cufft/lib"
# shellcheck disable=SC2317 # called through expect
bare() { # one processor, so that a busy machine does not matter much
    taskset -c "$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')" \
        env -i PATH=/usr/bin:/bin PYTHON=/usr/bin/python3 PYTHONPATH="$work/packages" "$@"
}
