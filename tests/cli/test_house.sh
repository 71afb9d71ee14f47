#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The house rules that a compiler does not check: who may include what, where build switches may stand, file sizes.
source "$(dirname "$0")/common.sh"
cd "$source_dir" || exit 1

only_in() { # header pattern, allowed paths (extended regular expression)
    local found
    found=$(grep -rlE "#include [<\"]($1)" src mpi cuda tests tools 2>/dev/null | grep -vE "^($2)$")
    [ -z "$found" ] || fail "$1 is included outside its room: $found"
}
only_in 'mpi\.h' 'mpi/.*|tests/cuda/nccl_stub\.cc'
only_in 'hdf5\.h' 'src/files/.*|mpi/h5par\.c|tests/.*|tools/bench/.*'
only_in 'dnnl' 'src/device/conv_onednn\.c'
only_in 'cuda' 'cuda/.*|mpi/comm_nccl\.c|tests/cuda/.*'
only_in 'cudnn|cufft' 'cuda/.*|tests/cuda/.*'
only_in 'fftw3' 'src/device/fft_cpu\.c'

found=$(grep -rlE '^#\s*if(def|ndef)?\b.*PECLET_HAVE' src mpi | grep -vE '^src/(comm/comm|device/device_registry|device/fft_cpu)\.c$')
[ -z "$found" ] || fail "build switches outside the registries: $found"

# includes point down
down() { # room, rooms it must not see
    local found
    found=$(grep -rnE "#include \"($2)/" "src/$1" || true)
    [ -z "$found" ] || fail "src/$1 looks up: $found"
}
down base 'deck|device|comm|files|images|physics|process|nn|metrics|tasks'
down deck 'device|comm|files|images|physics|process|nn|metrics|tasks'
down device 'deck|comm|files|images|physics|process|nn|metrics|tasks'
down comm 'deck|device|files|images|physics|process|nn|metrics|tasks'
down physics 'comm|files|images|process|nn|metrics|tasks'
down images 'comm|device|files|physics|process|nn|metrics|tasks'
down process 'files|images|nn|metrics|tasks'
down nn 'comm|files|images|physics|process|metrics|tasks'
down metrics 'deck|files|images|physics|process|nn|tasks'
down files 'device|images|physics|process|nn|metrics|tasks'

while read -r lines file; do
    [ "$lines" -le 500 ] || fail "$file has $lines lines; split it by reason to change"
done < <(find src mpi cuda \( -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' \) -exec wc -l {} + | grep -v total)
for file in $(git ls-files '*.c' '*.h' '*.cu' '*.cuh' '*.cc' '*.sh' '*.py' 2>/dev/null); do
    head -n 3 "$file" | grep -q SPDX || fail "$file has no SPDX line"
done
finish
