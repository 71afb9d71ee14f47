#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tools/convert_weights.py: what it makes of published files, and that a .pth file cannot run code.
source "$(dirname "$0")/../cli/common.sh"
python="/usr/bin/python3 -B"
convert="$python $source_dir/tools/convert_weights.py"
if ! $python -c 'import torch' 2>/dev/null; then
    echo "skipped: needs python3-torch"
    exit 77
fi
$python - <<'END'
import os, torch
class Evil:
    def __reduce__(self):
        return os.system, ("touch evil",)
torch.save({"features.0.weight": Evil()}, "evil.pth")
torch.save({"features.0.weight": Evil()}, "evil_old.pth", _use_new_zipfile_serialization=False)
torch.save({"a": torch.ones(2)}, "other.pth")
torch.save({"Conv2d_1a_3x3.conv.weight": torch.ones(2, 3), "fc.weight": torch.ones(4), "Conv2d_1a_3x3.bn.num_batches_tracked": torch.tensor(1)}, "fid.pth")
torch.save({f"lin{i}.model.1.weight": torch.full((1, c, 1, 1), float(i)) for i, c in enumerate((64, 192, 384, 256, 256))}, "lin.pth", _use_new_zipfile_serialization=False)
torch.save({"features.0.weight": torch.ones(1, dtype=torch.float16)}, "trunk.pth")
END
# shellcheck disable=SC2086
{
    expect 1 'system is not a tensor' $convert out.safetensors evil.pth
    expect 1 'system is not a tensor' $convert out.safetensors evil_old.pth
    expect 1 'not known: a' $convert out.safetensors other.pth
    expect 1 'came before' $convert out.safetensors lin.pth lin.pth
    expect 0 'not the published weights of 2015-12-05' $convert fid.safetensors fid.pth
    expect 0 '6 tensors' $convert both.safetensors lin.pth trunk.pth
    [ ! -e evil ] || fail "a .pth file ran a command"
}
$python - "$source_dir" "${PECLET_DATA:-}" <<'END' || fail "converted tensors differ"
import os, subprocess, sys
sys.path.insert(0, sys.argv[1] + "/tools")
import safetensors_io, torch
tensors, notes = safetensors_io.read("fid.safetensors")
assert list(tensors) == ["Conv2d_1a_3x3.conv.weight"] and notes["network"] == "inception"
tensors, _ = safetensors_io.read("both.safetensors")
assert tensors["alex.lin3.model.1.weight"].shape == (1, 256, 1, 1) and tensors["features.0.weight"].dtype == torch.float32
data = sys.argv[2] + "/lpips"
if os.path.exists(data + "/squeeze.pth"):
    subprocess.run([sys.executable, "-B", sys.argv[1] + "/tools/convert_weights.py", "l.safetensors"] + [f"{data}/{n}.pth" for n in ("squeeze", "alex", "vgg")], check=True)
    a, b = safetensors_io.read("l.safetensors")[0], safetensors_io.read(data + "/lpips-v0.1-linear.safetensors")[0]
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
else:
    print("skipped: the published LPIPS layers need lpips/squeeze.pth, vgg.pth and alex.pth under $PECLET_DATA")
END
finish
