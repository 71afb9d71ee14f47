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

# the numbers under 'The flow' against the stored images and numpy
for kind in streamfunction rotation; do
    for run in "$kind" still every; do
        settings=(run.out="$run" "run.stages=import,precompute" store.kind=levels store.precision=fp32 velocity.kind="$kind")
        [ "$run" = still ] && settings+=(forward.pe=0)
        [ "$run" = every ] && settings+=(velocity.refresh=1)
        expect 0 'report.html' "$peclet" run tiny.nml "${settings[@]}"
    done
    /usr/bin/python3 -B "$source_dir/tests/cli/flow_numbers.py" "$kind" still every || fail "the numbers of the flow '$kind'"
done

# A window of a browser may have a least width: the page is looked at in a frame, to which it says how wide it is.
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -n "$browser" ]; then
    for width in 390 1200; do
        sed "s|</body>|<script>parent.postMessage(document.documentElement.scrollWidth + ' in ' + innerWidth, '*')</script>&|" \
            tiny/report.html >inside.html
        cat >frame.html <<H
<!DOCTYPE html><style>body{margin:0}iframe{border:0;width:${width}px;height:4000px}</style><iframe src="inside.html"></iframe>
<script>onmessage = e => document.documentElement.dataset.width = e.data</script>
H
        look=(timeout 120 "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars "--window-size=1200,4000"
            --virtual-time-budget=5000)
        wide=$("${look[@]}" --dump-dom "file://$work/frame.html" 2>/dev/null | grep -o 'data-width="[^"]*"')
        [ "$wide" = "data-width=\"$width in $width\"" ] || fail "something is wider than the page: $wide at $width px"
        "${look[@]}" --screenshot="$work/$width.png" "file://$work/frame.html" >/dev/null 2>&1
        # not blank, pictures and letters in many tones
        /usr/bin/python3 - "$work/$width.png" <<'P' || fail "screenshot at $width px"
import struct
import sys
import zlib

data = open(sys.argv[1], "rb").read()
width, height = struct.unpack(">II", data[16:24])
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
    echo "skipped: a look at the page needs chromium"
fi
finish
