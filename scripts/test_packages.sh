#!/bin/sh
# System packages that the tests use: Debian's sctk (sclite and sc_stats, the scoring tests' oracle), g++ and cmake
# (they build kenlm, the language models' oracle), PostgreSQL and MariaDB (the searches), Slurm (the recipe's jobs) and
# Chromium (its report). Installed by apt when root; otherwise named, and what needs them is skipped.
set -eu

wanted=""
command -v sclite >/dev/null || command -v sctk >/dev/null || wanted="$wanted sctk"
command -v g++ >/dev/null || wanted="$wanted g++"
command -v cmake >/dev/null || wanted="$wanted cmake"
command -v chromium >/dev/null || wanted="$wanted chromium"
# Servers that the tests start themselves, each with a folder, a user and a port of its own.
command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || wanted="$wanted postgresql"
command -v mariadbd >/dev/null || [ -x /usr/sbin/mariadbd ] || wanted="$wanted mariadb-server"
# A cluster of one node, which the tests start themselves; its programs lie where only root looks.
for package in slurmctld slurmd munge; do
    [ -x "/usr/sbin/$package" ] || [ -x "/usr/sbin/${package}d" ] || wanted="$wanted $package"
done
command -v sbatch >/dev/null || wanted="$wanted slurm-client"
[ -n "$wanted" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    # shellcheck disable=SC2086  # one word a package
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $wanted >/dev/null
else
    echo "For every test to run, install:$wanted (Debian's names); without, some tests are skipped, and say so." >&2
fi
