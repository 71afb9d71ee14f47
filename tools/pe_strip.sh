#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One image at several Peclet numbers, a row each, clean on the left: docs/pictures/pe_strip.png. Needs python3-pil.
#   tools/pe_strip.sh DECK OUT.png [MODE=]PE... [group.key=value ...]
# for example: tools/pe_strip.sh inputs/demo.nml pe.png 0 4 8 20    or with modes: faithful=0.06 transport=6
set -euo pipefail
cd "$(dirname "$0")/.."
deck=$1
out=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rows=() overrides=() points=()
for word in "$@"; do
    if [[ $word == [a-z]*.[a-z]*=* ]]; then overrides+=("$word"); else points+=("$word"); fi
done
for point in "${points[@]}"; do
    mode=()
    [[ $point != *=* ]] || mode=(forward.mode="${point%=*}")
    "${PECLET:-build/peclet}" run "$deck" run.out="$work/$point" run.stages=import,precompute dataset.limit=1 "${overrides[@]}" \
        "${mode[@]}" forward.pe="${point#*=}" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
    rows+=("$work/$point/corruption.png")
done
/usr/bin/python3 - "$out" "${rows[@]}" <<'P'
import sys
from PIL import Image

rows = [Image.open(name) for name in sys.argv[2:]]
grey = 128 if rows[0].mode == "L" else (128, 128, 128)
strip = Image.new(rows[0].mode, (rows[0].width, sum(r.height for r in rows) + len(rows) - 1), grey)
top = 0
for row in rows:
    strip.paste(row, (0, top))
    top += row.height + 1
strip.save(sys.argv[1])
P
