#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tools/sweep.sh: a run a line, one table, complete runs are skipped, changed and failed ones are not.
source "$(dirname "$0")/common.sh"
need_images
cp "$source_dir/tests/cli/tiny.nml" .
export PECLET=$peclet
sweep=$source_dir/tools/sweep.sh

printf '# two runs\n\nname=still forward.pe=0\n  forward.pe=4   train.steps=5\n' >two.txt
expect 0 'still: forward.pe=0' "$sweep" tiny.nml two.txt -n 2
grep -q '^| still | forward.pe=0 | 101 | 20 |' runs/two/table.md || fail "table.md: $(cat runs/two/table.md)"
grep -q '^| run-4 | forward.pe=4 train.steps=5 | 101 | 20 |' runs/two/table.md || fail "table.md lacks run-4"
/usr/bin/python3 - <<'P' || fail "table.tsv does not say what metrics.json says"
import csv, json
rows = {r["name"]: r for r in csv.DictReader(open("runs/two/table.tsv"), delimiter="\t")}
for name in ("still", "run-4"):
    m = json.load(open(f"runs/two/{name}/metrics.json"))
    assert float(rows[name]["pixels.fd"]) == m["pixels"]["fd"]
    assert float(rows[name]["random.test.coverage"]) == m["random"]["test"]["coverage"]
    assert rows[name]["ranks"] == "2" and float(rows[name]["seconds"]) > 0
P

# its plot: here each run is a line of one dot; of 4 panels
"$source_dir/tools/sweep_plot.py" runs/two two.svg || fail "no plot"
[ "$(grep -o '<circle' two.svg | wc -l)" = 8 ] && grep -q 'steps 5' two.svg || fail "the plot: $(cut -c1-400 two.svg)"

before=$(stat -c %Y.%i runs/two/still/metrics.json)
expect 0 'run-4: complete' "$sweep" tiny.nml two.txt -n 2
[ "$(stat -c %Y.%i runs/two/still/metrics.json)" = "$before" ] || fail "a complete run was run again"

# another override: only that run again; a run that fails is told and does not stop the others
printf 'name=still forward.pe=0\nforward.levels=0\nname=other forward.pe=1\n' >two.txt
expect 1 'run-2 failed' "$sweep" tiny.nml two.txt
[ "$(stat -c %Y.%i runs/two/still/metrics.json)" = "$before" ] || fail "a complete run was run again"
grep -q '^| other ' runs/two/table.md || fail "the run after a failed one is missing"
grep -q '^| run-2 ' runs/two/table.md && fail "a failed run is in the table"

printf 'name=a\nname=a forward.pe=1\n' >same.txt
expect 2 'two runs are named a' "$sweep" tiny.nml same.txt -o same
expect 2 'usage' "$sweep" tiny.nml
expect 2 'cannot read' "$sweep" tiny.nml missing.txt

# the study's lines fit its deck
while read -r -a words; do
    [[ ${words[0]} == '#'* ]] || expect 0 'is in order' "$peclet" check "$source_dir/inputs/study/pe.nml" "${words[@]:1}"
done <"$source_dir/inputs/study/pe.txt"
finish
