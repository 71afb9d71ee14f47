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
fi
finish
