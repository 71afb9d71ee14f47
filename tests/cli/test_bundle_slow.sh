#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What goes to a GPU machine, packed and then run on the processor in an empty environment: nothing of this system but
# glibc is used, every mode of gpu_check.sh passes, and its checks can fail.
source "$(dirname "$0")/common.sh"
need_images
nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null)
[ -n "$nvcc" ] || { echo "skipped: needs nvcc"; exit 77; }
grep -q '^CUDNN_LIBRARY:FILEPATH=/' "$(dirname "$peclet")/CMakeCache.txt" || { echo "skipped: needs cuDNN"; exit 77; }

# The build folder stays, so that only what changed is compiled.
CUDACXX=$nvcc expect 0 ' MB, commit ' "$source_dir/tools/bundle.sh" "$work/bundle.tar.gz" "$(dirname "$peclet")/bundle" -DPECLET_WERROR=ON
tar -xzf bundle.tar.gz || fail 'the bundle does not unpack'
cd peclet-gpu || exit 1

# CUDA's libraries as Python packages have them
toolkit=$(dirname "$(dirname "$nvcc")")/lib64
mkdir -p "$work"/packages/nvidia/{cu13,cudnn,nccl}/lib
ln -s "$toolkit"/libcudart.so.* "$work/packages/nvidia/cu13/lib"
ln -s "$toolkit"/libcudnn*.so.* "$work/packages/nvidia/cudnn/lib"
ln -s "$toolkit"/libnccl.so.* "$work/packages/nvidia/nccl/lib"
# shellcheck disable=SC2317 # called through expect
bare() { # one processor, so that a busy machine does not matter much
    taskset -c "$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')" \
        env -i PATH=/usr/bin:/bin PYTHON=/usr/bin/python3 PYTHONPATH="$work/packages" "$@"
}

foreign=$(env -i LD_LIBRARY_PATH="$toolkit" ldd bin/* | awk '$2 == "=>" { print $3 }' | sort -u | grep -v "^$work/\|^$toolkit/\|/cuda" |
    grep -vE '/(lib(c|m|dl|rt|pthread|resolv|util|anl)\.so|ld-linux)[^/]*$')
[ -z "$foreign" ] || fail "taken from this system: $foreign"

for mode in parity train bench peer; do
    expect 0 '0 checks failed' bare ./gpu_check.sh "$mode" --device cpu
done
for line in 'operations | ok' 'physics paper | ok' 'loss, fp32 | ok' 'loss, bf16 | ok' 'resumed is bit-equal | ok' 'ceilings | ok' GLUPS; do
    grep -qF "$line" results.md || fail "results.md does not say '$line'"
done
grep -qF 'peer tiny | ok | parameters: PyTorch 702499, ours 702499' results.md || grep -qF 'no PyTorch' results.md || fail 'no peer'

# it fails when a program does, when losses differ, when the networks differ, when time is up
expect 1 'FAILED (1)' bash -c "sed 's/fp32_limit=[^ ]*/fp32_limit=1e-12/' gpu_check.sh >strict.sh; exec env -i PATH=/usr/bin:/bin \
    PYTHONPATH=$work/packages bash strict.sh train --device cpu"
expect 1 'NOT RUN' bare GPU_CHECK_SECONDS=5 ./gpu_check.sh parity --device cpu
if /usr/bin/python3 -c 'import torch' 2>/dev/null; then
    printf '#!/bin/bash\nexec %q "$@" blocks=2\n' "$PWD/bin/bench_train" >other
    chmod +x other
    expect 1 'the networks differ' bare LD_LIBRARY_PATH="$toolkit" /usr/bin/python3 tools/bench/peer_unet.py ./other device=cpu \
        side=16 batch=1 width=32 mult=1,2 blocks=1 attention=1 parameters=1
fi
finish
