#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What goes to a GPU machine can be packed, is small enough, takes nothing of this system but glibc, and runs from any folder in an
# empty environment: one mode of gpu_check.sh on its smallest cases. All modes: test_bundle_slow.sh.
source "$(dirname "$0")/bundle.sh"

foreign=$(env -i LD_LIBRARY_PATH="$toolkit" ldd bin/* | awk '$2 == "=>" { print $3 }' | sort -u | grep -v "^$work/\|^$toolkit/\|/cuda" |
    grep -vE '/(lib(c|m|dl|rt|pthread|resolv|util|anl)\.so|ld-linux)[^/]*$')
[ -z "$foreign" ] || fail "taken from this system: $foreign"
copied=$(find lib -name 'libcu[dfbs]*' -o -name 'libnccl*')
[ -z "$copied" ] || fail "CUDA's libraries must fit the driver of the machine, not be packed: $copied"

cd /
expect 0 '0 checks failed' bare "$work/peclet-gpu/gpu_check.sh" parity --device cpu
cd "$work/peclet-gpu" || exit 1
for line in 'operations | ok' 'network gradients | ok' 'physics call | ok' 'sums over ranks | ok'; do
    grep -qF "$line" results.md || fail "results.md does not say '$line'"
done

# it fails when a program does, and says what it had no time for
for test in bin/test_*; do
    printf '#!/bin/sh\necho no checks\nexit %d\n' "$([[ $test == bin/test_adr_call ]] && echo 1 || echo 0)" >"$test"
done
expect 1 '1 checks failed' bare ./gpu_check.sh parity --device cpu
expect 0 'Left out for want of time: operations' bare GPU_CHECK_SECONDS=4 ./gpu_check.sh parity --device cpu
finish
