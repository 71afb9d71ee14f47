#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every shell script of the project, job scripts and the settings of machines too, without a remark of shellcheck (.shellcheckrc).
source "$(dirname "$0")/common.sh"
command -v shellcheck >/dev/null || { echo "skipped: needs shellcheck"; exit 77; }
cd "$source_dir" || exit 1
while read -r script; do
    shellcheck "$script" || fail "$script"
done < <(find . \( -name '.git' -o -name 'build*' -o -name runs \) -prune -o \
    \( -name '*.sh' -o -name '*.sbatch' -o -path './jobs/machines/*/settings' -o -path './.ci/run' \) -type f -print)
finish
