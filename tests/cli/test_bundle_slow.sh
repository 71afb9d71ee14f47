#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every mode of the GPU check on the processor, in an empty environment: it passes, and its checks can fail.
source "$(dirname "$0")/bundle.sh"

for mode in parity sanitize train bench peer 'peer judges'; do
    # shellcheck disable=SC2086 # two words
    expect 0 '0 checks failed' bare ./gpu_check.sh $mode --device cpu
done
for line in 'operations | ok' 'physics paper | ok' 'loss, fp32 | ok' 'loss, bf16 | ok' 'resumed is bit-equal | ok' 'ceilings | ok' GLUPS; do
    grep -qF "$line" results.md || fail "results.md does not say '$line'"
done
if /usr/bin/python3 -c 'import torch' 2>/dev/null; then
    grep -qF 'peer tiny | ok | parameters: PyTorch 702499, ours 702499' results.md || fail 'no peer'
fi

# every row of the table of targets has been measured for the one network that a processor can do
rows=$(/usr/bin/python3 tools/targets.py logs cpu | grep -v 'unet64\|unet128\|inception')
/usr/bin/python3 -c 'import torch' 2>/dev/null || rows=$(grep -v 'PyTorch' <<<"$rows")
[ "$(wc -l <<<"$rows")" -ge 7 ] || fail "the table of targets is short: $rows"
grep -q 'not measured' <<<"$rows" && fail "not measured: $rows"

# it fails when losses differ, when the networks differ
expect 1 'FAILED (1)' bash -c "sed 's/fp32_factor=[^ ]*/fp32_factor=1e-6/' gpu_check.sh >strict.sh; exec env -i PATH=/usr/bin:/bin \
    PYTHONPATH=$work/packages bash strict.sh train --device cpu"
if /usr/bin/python3 -c 'import torch' 2>/dev/null; then
    printf '#!/bin/bash\nexec %q "$@" blocks=2\n' "$PWD/bin/bench_train" >other
    chmod +x other
    expect 1 'the networks differ' bare LD_LIBRARY_PATH="$toolkit" /usr/bin/python3 tools/bench/peer_unet.py ./other device=cpu \
        side=16 batch=1 width=32 mult=1,2 blocks=1 attention=1 parameters=1
fi
finish
