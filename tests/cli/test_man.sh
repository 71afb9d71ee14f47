#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The manual page: well-formed, and about the program as it is.
source "$(dirname "$0")/common.sh"
page=$source_dir/docs/peclet.1

# every command and exit status that the program prints, and no other
"$peclet" help | sed -n '/^usage/,/^Exit/p' >usage
sed -n 's/^  \([a-z]*\)  .*/\1/p' usage | sort >commands
sed -n '/^.SH COMMANDS/,/^.SH EXIT/s/^\.B //p' "$page" | sort >described
cmp commands described || fail "commands differ: $(diff commands described)"
grep -o '[0-9][0-9]*' <(grep '^Exit' usage) >codes
sed -n '/^.SH EXIT/,/^.SH SIGNALS/s/^\.B //p' "$page" >codes_described
cmp codes codes_described || fail "exit codes differ: $(diff codes codes_described)"

# every key that it names exists
while read -r key; do
    expect 0 default "$peclet" help "$key"
done < <(grep -oE '\b(run|forward|sample|train)\.[a-z_]+' "$page" | grep -v json | sort -u)
grep -q "peclet $("$peclet" version | sed 's/peclet \([0-9.]*\),.*/\1/')\"" "$page" || fail "the page is of another version"

if command -v groff >/dev/null; then
    out=$(groff -man -ww -z "$page" 2>&1)
    [ -z "$out" ] || fail "groff: $out"
else
    echo "groff is not here: the page's syntax is not checked"
fi
finish
