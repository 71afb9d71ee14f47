#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Out and in: `peclet export` against PyTorch (one forward pass, the samples as PNGs), and a checkpoint in the form of the
# inverse-heat-dissipation code, back through tools/import_ihd.py, as the start of another run.
source "$(dirname "$0")/../cli/common.sh"
need_images
python="/usr/bin/python3 -B"
if ! $python -c 'import torch, h5py, PIL' 2>/dev/null; then
    echo "skipped: needs python3-torch, python3-h5py, python3-pil"
    exit 77
fi
deck=$source_dir/tests/cli/tiny.nml
small="forward.levels=4 dataset.limit=40 dataset.test_limit=12 sample.count=6 sample.batch=3"
steps="train.steps=3"
stages="run.stages='import','precompute','train','sample'"

# shellcheck disable=SC2086
{
    expect 0 '' "$peclet" run "$deck" $small $steps "$stages"
    expect 0 'tiny/samples: 6 pictures' ranks 2 "$peclet" export "$deck" $small $steps
}
$python "$source_dir/tools/load_export.py" tiny || fail "PyTorch's network differs"
$python - <<'END' || fail "the PNGs are not the samples"
import h5py, numpy, PIL.Image
images = h5py.File("tiny/samples.h5")["images"][...]
for i, image in enumerate(images):
    png = numpy.asarray(PIL.Image.open(f"tiny/samples/{i:08d}.png")).reshape(image.shape)
    assert numpy.abs(png - numpy.clip(image, 0, 1) * 255).max() <= 0.5 + 1e-4
END

(cd tiny/samples && /usr/bin/python3 -m zipfile -c ../samples.zip ./*.png)
# shellcheck disable=SC2086
for set in tiny/samples tiny/samples.zip; do # the same pictures as HDF5, folder and ZIP
    expect 0 '6 samples against 40 real images' ranks 2 "$peclet" evaluate "$deck" $small $steps evaluate.prdc_k=2 evaluate.fake=$set
    cp tiny/metrics.json "$(basename "$set").json"
done
# shellcheck disable=SC2086
expect 0 '6 samples against 40 real images' "$peclet" evaluate "$deck" $small $steps evaluate.prdc_k=2
$python - <<'END' || fail "scores of the PNGs differ from those of the samples"
import json
hdf5, zipped, folder = (json.load(open(name)) for name in ("tiny/metrics.json", "samples.zip.json", "samples.json"))
assert zipped == folder
assert abs(hdf5["pixels"]["fd"] / folder["pixels"]["fd"] - 1) < 1e-2 # 8 bits
END

$python - "$source_dir" <<'END'
import sys
sys.path.insert(0, sys.argv[1] + "/tools")
import safetensors_io, torch
tensors, _ = safetensors_io.read("tiny/network.safetensors")
model = {"module." + name: 0 * t for name, t in tensors.items()}
model["module.sigmas"] = torch.ones(3)
torch.save({"model": model, "ema": {"decay": 0.9, "num_updates": 3, "shadow_params": list(tensors.values())}, "step": 3}, "ihd.pth")
END
$python "$source_dir/tools/import_ihd.py" ihd.pth ihd.safetensors || fail "import_ihd.py"
# shellcheck disable=SC2086
{
    expect 0 '' "$peclet" run "$deck" $small "run.stages='import','precompute','train'" run.out=back \
        train.init=ihd.safetensors train.steps=1 train.learning_rate=0
    expect 0 'no samples exported' "$peclet" export "$deck" $small run.out=back train.steps=1 train.learning_rate=0
    expect 1 "has the shape [128,32], wanted is [256,64]" "$peclet" run "$deck" $small run.out=other $steps \
        "run.stages='import','precompute','train'" train.init=ihd.safetensors unet.channels=64
}
$python - "$source_dir" <<'END' || fail "the weights did not come back"
import sys
sys.path.insert(0, sys.argv[1] + "/tools")
import safetensors_io
a, b = (safetensors_io.read(f"{folder}/network.safetensors")[0] for folder in ("tiny", "back"))
assert a.keys() == b.keys() and len(a) > 50
for name in a: # the running average rounds: one unit in the last place of 0.9 a + 0.1 a
    assert (a[name] - b[name]).abs().max() <= 3e-7 * a[name].abs().max(), name
END
finish
