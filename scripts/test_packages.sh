#!/bin/sh
# System packages that the tests use: Debian's sctk (sclite and sc_stats, the scoring tests' oracle) and g++ (builds
# kenlm, the language models' oracle). Installed by apt when root; otherwise named, and what needs them is skipped.
set -eu

wanted=""
command -v sclite >/dev/null || command -v sctk >/dev/null || wanted="$wanted sctk"
command -v g++ >/dev/null || wanted="$wanted g++"
command -v cmake >/dev/null || wanted="$wanted cmake"
[ -n "$wanted" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    # shellcheck disable=SC2086  # one word a package
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $wanted >/dev/null
else
    echo "For every test to run, install:$wanted (Debian's names); without, some tests are skipped, and say so." >&2
fi
