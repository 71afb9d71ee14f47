#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts somewhere works there, away from the sources.
source "$(dirname "$0")/common.sh"
unset PECLET
cmake --install "$(dirname "$peclet")" --prefix "$work/away" >install.log 2>&1 || fail "cmake --install: $(tail -n 3 install.log)"
export PATH=$work/away/bin:$PATH
expect 0 peclet peclet version
share=$work/away/share/peclet
expect 0 "--dependency=afterok:\\<import\\> --kill-on-invalid-dep=yes" "$share/jobs/submit.sh" --dry-run --no-check "$share/inputs/smoke.nml"
expect 0 "$share/jobs/sweep.sbatch" "$share/jobs/submit.sh" --dry-run --no-check --sweep "$share/inputs/study/pe.txt" "$share/inputs/study/pe.nml"
expect 0 'run.out=runs/scaling-tiny-strong/ranks-4' "$share/jobs/scaling.sh" strong --ranks 1,4 --dry-run tiny.nml
if command -v envml >/dev/null || [ -f /usr/share/modules/init/bash ]; then
    # shellcheck source=/dev/null
    (set +u; source /usr/share/modules/init/bash; module use "$share/modulefiles"; module load peclet; [ "$PECLET_JOBS" = "$share/jobs" ]) ||
        fail "the environment module does not set PECLET_JOBS"
else
    echo "skipped: the environment module needs environment-modules"
fi
[ -f "$work/away/share/doc/peclet/docs/physics.md" ] || fail "the documents are not installed"
grep -q '^\.TH PECLET 1' "$work/away/share/man/man1/peclet.1" || fail "the manual page is not installed"

# the tools in Python, from the install tree alone
if /usr/bin/python3 -c 'import torch' 2>/dev/null; then
    for tool in convert_weights import_ihd load_export; do
        expect 0 "usage: $tool.py" /usr/bin/python3 -B "$share/tools/$tool.py" --help
    done
    (cd "$share/tools" && /usr/bin/python3 -B) <<P || fail "writing checkpoints"
import torch
torch.save({"features.0.weight": torch.ones(2, dtype=torch.float16)}, "$work/trunk.pth")
torch.save({"model": {"module.out.weight": torch.ones(3)}}, "$work/ihd.pth")
P
    expect 0 '1 tensors, 2 numbers' "$share/tools/convert_weights.py" trunk.safetensors trunk.pth
    expect 0 '1 tensors, 3 numbers' "$share/tools/import_ihd.py" ihd.pth ihd.safetensors
    if [ -f "$images" ]; then
        few=(forward.levels=2 dataset.limit=12 dataset.test_limit=4 train.steps=1)
        expect 0 '' peclet run tiny.nml "${few[@]}" "run.stages='import','precompute','train'"
        expect 0 '' peclet export tiny.nml "${few[@]}"
        expect 0 'largest difference' "$share/tools/load_export.py" tiny
    else
        echo "skipped: load_export.py needs $images (Debian: dataset-fashion-mnist)"
    fi
else
    echo "skipped: the tools in Python need python3-torch"
fi
finish
