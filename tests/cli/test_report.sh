#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# report.html: well-formed, needs nothing from elsewhere, shows what is there and nothing else; with chromium, a look at it.
source "$(dirname "$0")/common.sh"
need_images
cp "$source_dir/tests/cli/tiny.nml" .

page() { # PAGE SECTION...
    /usr/bin/python3 "$source_dir/tests/cli/page.py" "$@" || fail "page $1"
}

# a whole run; the name must not become markup
name='<b>tiny & "co"</b>'
expect 0 'report.html: the run on one page' "$peclet" run tiny.nml "run.name=$name" \
    evaluate.metrics=fd,prdc,nearest,spectrum
page tiny/report.html Corruption Samples 'Samples and their nearest training images' 'The way back' Learning Scores \
    Spectra 'The flow' 'Where the time went' 'What ran where' 'The deck'
grep -q '<h1>&lt;b&gt;tiny &amp; &quot;co&quot;&lt;/b&gt;</h1>' tiny/report.html || fail "the name is not escaped"

# the command leaves the records of the run alone, and works on several ranks
cp tiny/run.json tiny/timings.json tiny/state.json .
expect 0 'report.html' ranks 2 "$peclet" report tiny.nml
for file in run.json timings.json state.json; do
    cmp -s "$file" "tiny/$file" || fail "report changed $file"
done

# a deck that did not make the files
expect 0 'trajectories.h5 was made with another deck (above)' "$peclet" report tiny.nml forward.pe=2
grep -q 'Beware: trajectories.h5 was made with another deck' tiny/report.html || fail "the page does not warn"
expect 0 'report.html' "$peclet" report tiny.nml "run.name=$name" evaluate.metrics=fd,prdc,nearest,spectrum
grep -q 'Beware' tiny/report.html && fail "the page warns without need"

# parts that are not there are left out; without the folder there is nothing to write to
expect 0 'report.html' "$peclet" run tiny.nml run.out=part run.stages=import,precompute
page part/report.html Corruption 'The flow' 'Where the time went' 'What ran where' 'The deck'
expect 0 'report.html' "$peclet" run tiny.nml run.out=heat run.stages=import,precompute forward.process=heat
page heat/report.html Corruption 'Where the time went' 'What ran where' 'The deck'
mkdir bare
expect 0 'report.html' "$peclet" report tiny.nml run.out=bare
page bare/report.html 'The deck'
expect 1 'cannot be written' "$peclet" report tiny.nml run.out=nowhere
# half a log line, a log without losses and damaged JSON do not hurt
printf '{"step": 1, "loss": null}\n{"step": 2, "lo' >bare/log.jsonl
echo '{"n_real": ' >bare/metrics.json
echo '[]' >bare/timings.json
expect 0 'report.html' "$peclet" report tiny.nml run.out=bare
page bare/report.html 'The deck'

# other kinds of flow
for kind in solenoidal compressible shear; do
    expect 0 'report.html' "$peclet" run tiny.nml run.out="$kind" run.stages=import,precompute velocity.kind="$kind"
    page "$kind/report.html" Corruption 'The flow' 'Where the time went' 'What ran where' 'The deck'
done

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -n "$browser" ]; then
    for width in 390 1200; do
        timeout 120 "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size="$width",4000 \
            --screenshot="$work/$width.png" "file://$work/tiny/report.html" >/dev/null 2>&1
        # not blank, pictures and letters in many tones, nothing wider than the page
        /usr/bin/python3 - "$work/$width.png" "$width" <<'P' || fail "screenshot at $width px"
import struct
import sys
import zlib

data = open(sys.argv[1], "rb").read()
width, height = struct.unpack(">II", data[16:24])
assert width == int(sys.argv[2]), width
at, packed = 8, b""
while at < len(data):
    n, kind = struct.unpack(">I4s", data[at : at + 8])
    if kind == b"IDAT":
        packed += data[at + 8 : at + 8 + n]
    at += n + 12
rows = zlib.decompress(packed)
step = len(rows) // height
inked = sum(len(set(rows[y * step + 1 : (y + 1) * step])) > 4 for y in range(height))
print(f"{inked} of {height} rows show something")
assert inked > height // 3
P
    done
else
    echo "no chromium: the screenshots are skipped"
fi
finish
