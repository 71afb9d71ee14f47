#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Import of every format, on every number of ranks, with damaged pictures among the good; against Pillow.
source "$(dirname "$0")/common.sh"
/usr/bin/python3 -c 'import PIL, h5py' 2>/dev/null || { echo "skipped: needs python3-pil and python3-h5py"; exit 77; }

# 400 pictures of many sizes and kinds in subfolders; every eleventh is damaged in one of five ways
/usr/bin/python3 - <<'P'
import io, json, os, zipfile
import numpy as np
from PIL import Image

rng = np.random.default_rng(1)
labels = []
for i in range(400):
    name = f"{i % 7:05d}/{i:08d}.{('png', 'jpg', 'webp')[i % 3]}"
    os.makedirs("all/" + os.path.dirname(name), exist_ok=True)
    w, h = rng.integers(40, 120, 2)
    picture = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8)).resize((w, h), Image.BICUBIC)
    if i % 5 == 0:
        picture = picture.convert("L") if i % 3 < 2 else picture.convert("RGBA")
    out = io.BytesIO()
    picture.save(out, {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}[name.rsplit(".")[-1]])
    data = out.getvalue()
    if i % 11 == 3:
        data = [data[:len(data) // 2], b"", b"not a picture", data[:20], data[:-3]][i % 5]
    open("all/" + name, "wb").write(data)
    labels.append([name, i])
json.dump({"labels": labels}, open("all/dataset.json", "w"))
with zipfile.ZipFile("all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    for name, _ in labels:
        archive.write("all/" + name, name)
    archive.write("all/dataset.json", "dataset.json")
names = sorted(n for n, i in labels if i % 11 != 3)
good = []
for name in names:
    image = Image.open("all/" + name).convert("RGB")
    w, h = image.size
    s = min(w, h)
    image = image.crop(((w - s) // 2, (h - s) // 2, (w - s) // 2 + s, (h - s) // 2 + s))
    good.append(np.asarray(image.resize((80, 80), Image.LANCZOS)))
label = dict(labels)
every = sorted(label)
held = set(every[-40:])
np.savez("want.npz", good=np.stack(good), label=np.array([label[n] for n in names]),
         held=np.array([n in held for n in names]))
P

cat >deck.nml <<'N'
&dataset
  test_fraction = 0.1, resolution = 80, channels = 3, flip = .true., on_damaged = 'skip'
/
N
# the same file and the same words on every number of ranks, from folder and ZIP, with threads
for n in 1 2 3 5; do
    mkdir "r$n"
    cd "r$n" || exit 1
    expect 0 'left out: ../all: 00003/00000003.png: ' ranks "$n" "$peclet" import ../deck.nml dataset.format=folder \
        dataset.path=../all run.out=out run.threads=1
    cd ..
    same r1/out/dataset.h5 "r$n/out/dataset.h5"
done
expect 0 'left out: all.zip: 00003/' ranks 2 "$peclet" import deck.nml dataset.format=zip dataset.path=all.zip \
    run.out=z2 run.threads=3
same r1/out/dataset.h5 z2/dataset.h5
"$peclet" import deck.nml dataset.format=folder dataset.path=all run.out=words >words.txt 2>&1
[ "$(grep -c 'left out: all: ' words.txt)" -eq 37 ] || fail "not every damaged picture was named"
grep -q 'images are damaged (named above) and left out' words.txt || fail "damaged pictures were not counted"

# stopped while it decodes, then while it copies, and on with other ranks
mkdir legs
touch legs/STOP
for done in 216 400; do
    expect 75 "import stopped (stop) after $done of 400" "$peclet" import deck.nml dataset.format=folder dataset.path=all run.out=legs
done
rm legs/STOP
expect 0 'going on after 400 images' ranks 3 "$peclet" import deck.nml dataset.format=folder dataset.path=all run.out=legs
same r1/out/dataset.h5 legs/dataset.h5
[ ! -e legs/dataset-all.h5 ] || fail "dataset-all.h5 was left behind"
/usr/bin/python3 - <<'P' || fail "what was left out is not counted over all legs"
import h5py
with h5py.File("r1/out/dataset.h5") as a, h5py.File("legs/dataset.h5") as b:
    for name in "images_left_out", "test_images_left_out", "images_read", "images_good":
        assert a.attrs[name] == b.attrs[name], (name, a.attrs[name], b.attrs[name])
P

# what Pillow makes of them
/usr/bin/python3 - <<'P' || fail "rows or labels are not those that Pillow and dataset.json give"
import h5py, numpy as np
want, got = np.load("want.npz"), h5py.File("r1/out/dataset.h5")
held = want["held"]
plain, mirrored = np.split(got["images"][()], 2)
for ours, theirs in ((plain, want["good"][~held]), (mirrored[:, :, ::-1], want["good"][~held]),
                     (got["test_images"][()], want["good"][held])):
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    print("largest difference from Pillow:", np.abs(ours.astype(int) - theirs).max())
    assert np.array_equal(ours, theirs)
assert np.array_equal(got["labels"][()], np.tile(want["label"][~held], 2))
assert np.array_equal(got["test_labels"][()], want["label"][held])
assert got.attrs["images_left_out"] + got.attrs["test_images_left_out"] == 37
P

# a data set from a data set, its own held-out images again held out
expect 0 '36 held out' ranks 2 "$peclet" import deck.nml dataset.format=hdf5 dataset.path=r1/out/dataset.h5 \
    dataset.test_path=r1/out/dataset.h5 dataset.flip=false run.out=copy run.threads=2
same r1/out/dataset.h5 copy/dataset.h5

# where damage stops the run, and other faults: file and reason, exit 1
stop=(import deck.nml dataset.on_damaged=stop)
expect 1 'error: all: 00003/00000003.png: damaged PNG' "$peclet" "${stop[@]}" dataset.format=folder dataset.path=all \
    run.out=s1
expect 1 "on_damaged = 'skip' would leave such images out" ranks 2 "$peclet" "${stop[@]}" dataset.format=folder \
    dataset.path=all run.out=s2
[ ! -e s1/dataset.h5 ] || fail "a stopped import left a data set behind"
mkdir empty bad
expect 1 'empty: nothing in it ends in .png' "$peclet" "${stop[@]}" dataset.format=folder dataset.path=empty run.out=e1
head -c 9000 all/00001/*1.png | tail -c 4000 >bad/a.png
expect 1 'bad: not one of 1 images can be read' "$peclet" import deck.nml dataset.test_fraction=0 dataset.format=folder \
    dataset.path=bad run.out=e2
expect 1 'bad/a.png: cannot be opened as ZIP' "$peclet" "${stop[@]}" dataset.format=zip dataset.path=bad/a.png run.out=e3
expect 1 'bad/a.png: not an LMDB' "$peclet" "${stop[@]}" dataset.format=lmdb dataset.path=bad/a.png run.out=e4
expect 1 'bad/a.png: not a font' "$peclet" "${stop[@]}" dataset.format=font dataset.path=bad/a.png run.out=e5
expect 1 'none.ttf: No such file' "$peclet" "${stop[@]}" dataset.format=font dataset.path=none.ttf run.out=e9
expect 1 'bad: not a file' "$peclet" "${stop[@]}" dataset.format=zip dataset.path=bad run.out=e10
expect 1 'bad/a.png: a file where a folder' "$peclet" "${stop[@]}" dataset.format=folder dataset.path=bad/a.png run.out=e11
/usr/bin/python3 -c 'import zipfile; zipfile.ZipFile("evil.zip", "w").writestr("../../x.png", b"")'
expect 1 "evil.zip: entry '../../x.png' has a name that leads out" ranks 2 "$peclet" "${stop[@]}" dataset.format=zip \
    dataset.path=evil.zip run.out=e6
expect 1 'set resolution in &dataset' "$peclet" import deck.nml dataset.resolution=0 dataset.format=folder \
    dataset.path=all run.out=e7
expect 1 'h5: has no dataset /images' bash -c "/usr/bin/python3 -c 'import h5py; h5py.File(\"x.h5\", \"w\")[\"a\"] = 1' &&
    '$peclet' ${stop[*]} dataset.format=hdf5 dataset.path=x.h5 run.out=e8"

# where the pictures are not there, the deck is checked all the same
expect 0 "path = 'nowhere' is not there" "$peclet" check deck.nml dataset.format=folder dataset.path=nowhere
expect 0 'is in order' "$peclet" check deck.nml dataset.format=folder dataset.path=nowhere
finish
