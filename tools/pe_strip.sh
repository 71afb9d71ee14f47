#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One image at several Peclet numbers, a row each, clean on the left: docs/pictures/pe_strip.png. Needs python3-pil.
#   tools/pe_strip.sh DECK OUT.png PE...     for example: tools/pe_strip.sh inputs/demo.nml pe.png 0 4 8 20
set -euo pipefail
cd "$(dirname "$0")/.."
deck=$1
out=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rows=()
for pe in "$@"; do
    "${PECLET:-build/peclet}" run "$deck" run.out="$work/$pe" run.stages=import,precompute dataset.limit=1 forward.pe="$pe" 2>/dev/null
    rows+=("$work/$pe/corruption.png")
done
/usr/bin/python3 - "$out" "${rows[@]}" <<'P'
import sys
from PIL import Image

rows = [Image.open(name) for name in sys.argv[2:]]
strip = Image.new(rows[0].mode, (rows[0].width, sum(r.height for r in rows) + len(rows) - 1), 128)
top = 0
for row in rows:
    strip.paste(row, (0, top))
    top += row.height + 1
strip.save(sys.argv[1])
P
