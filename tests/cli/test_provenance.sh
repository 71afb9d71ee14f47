#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.json, and the attributes `run` and `legs` of every HDF5 file, say what ran where from what: each item is held against another
# source (CMake's cache, the dynamic linker, the program's own `deck` and `version`).
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"
need_images
deck=$source_dir/tests/cli/tiny.nml
over=(run.out=out dataset.limit=4000 train.steps=3 "run.name=two words")
slurm=(env SLURM_JOB_ID=77 SLURM_JOB_PARTITION=main "SLURM_JOB_NODELIST=n[1-2]")

# leg by leg: import on two ranks, precompute stopped on one and finished on two, the rest on one
expect 0 total ranks 2 "$peclet" import "$deck" "${over[@]}"
expect 75 stopped signalled USR1 "${slurm[@]}" SLURM_RESTART_COUNT=0 "$peclet" precompute "$deck" "${over[@]}"
expect 0 'going on' ranks 2 "${slurm[@]}" SLURM_RESTART_COUNT=1 "$peclet" precompute "$deck" "${over[@]}"
cp out/run.json second.json
expect 0 total "$peclet" run "$deck" "${over[@]}"

"$peclet" version >version.txt
"$peclet" deck "$deck" "${over[@]}" >resolved.nml
ldd "$peclet" >linked.txt
cp "$(dirname "$peclet")/CMakeCache.txt" . 2>/dev/null
/usr/bin/python3 - "$deck" "${over[@]}" <<'P' || fail "the record is not what it should be"
import json, re, socket, sys
import h5py

deck, overrides = sys.argv[1], sys.argv[2:]
version = open("version.txt").read().strip()
number, commit, build = re.fullmatch(r"peclet (\S+), commit (\S+), (.*)", version).groups()
linked = open("linked.txt").read()

def check(record, command, ranks, slurm):
    assert record["command"] == command and record["deck"] == deck
    assert record["overrides"] == overrides == record["command_line"][3:]
    assert (record["version"], record["commit"], record["build"]) == (number, commit, build)
    assert record["dirty"] is commit.endswith("-dirty")
    assert record["deck_text"] == open(deck).read()
    assert record["deck_resolved"] == open("resolved.nml").read()
    names = " ; ".join(record["libraries"])
    for library, name in (("libhdf5", r"HDF5 \d+\.\d"), ("libmpi", r"MPI"), ("libdnnl", r"oneDNN \d+\.\d"),
                          ("libfftw3f", r"fftw-\d\.\d"), ("libopenblas", r"OpenBLAS \d+\.\d")):
        if library in linked and (record["device"] == "cpu" or name.startswith(("HDF5", "MPI", "Open"))):
            assert re.search(name, names), (name, names)
    if record["device"] == "cuda":
        assert "CUDA runtime" in names and "driver" in names, names
    on = record["ranks_on"]
    count = sum(int(r.split("-")[-1]) - int(r.split("-")[0]) + 1 for r in (x["ranks"] for x in on))
    assert record["ranks"] == count == ranks and all(x["host"] == socket.gethostname() for x in on)
    assert all(x["device"] for x in on)
    assert ("slurm" in record) == slurm
    if slurm:
        s = record["slurm"]
        assert (s["JOB_ID"], s["RESTART_COUNT"], s["JOB_NODELIST"]) == ("77", "1", "n[1-2]"), s

try:
    cache = dict(re.findall(r"^(\w+):\w+=(.*)$", open("CMakeCache.txt").read(), re.M))
except OSError:
    cache = {}
assert cache.get("CMAKE_C_FLAGS", "") in build and cache.get("CMAKE_BUILD_TYPE", "") in build, build
assert "GNU" in build or "Clang" in build, build

starts = [("import", 2), ("precompute", 1), ("precompute", 2), ("run", 1)]
def lines(legs):
    return [(leg["command"], leg["ranks"]) for leg in legs]
last = json.load(open("out/run.json"))
check(last, "run", 1, False)
assert lines(last["starts"]) == starts
second = json.load(open("second.json"))
check(second, "precompute", 2, True)
assert lines(second["starts"]) == starts[:3]
assert [leg["slurm"]["RESTART_COUNT"] for leg in second["starts"][1:]] == ["0", "1"]
assert second["starts"][1]["overrides"] == overrides and second["starts"][2]["hosts"] == socket.gethostname() + " x 2"

made = {"dataset.h5": [0], "trajectories.h5": [1, 2], "checkpoints/step-00000003.h5": [3], "samples.h5": [3]}
for name, by in made.items():
    with h5py.File("out/" + name) as f:
        run = json.loads(f.attrs["run"])
        legs = f.attrs["legs"]
        legs = (legs.decode() if isinstance(legs, bytes) else str(legs)).rstrip("\0").split("\n")
        assert f.attrs["deck"] == run["deck_resolved"], name
    assert (run["command"], run["ranks"]) == starts[by[0]], (name, run["command"])
    assert lines(run["starts"]) == starts[:by[0] + 1], name
    assert lines(map(json.loads, legs)) == [starts[i] for i in by], (name, legs)
P

finish
