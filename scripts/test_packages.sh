#!/bin/sh
# Install the system packages that the tests use: Debian's sctk (sclite and sc_stats, the oracle of the scoring tests),
# g++ and cmake (to build kenlm, the oracle of the language models), PostgreSQL and MariaDB (for searches), Slurm (for the
# recipe's jobs) and Chromium (for its report). Root installs them by apt; otherwise this script names them, and the tests
# that need them are skipped. Where npm is installed, it puts axe-core (the checks of the pages' accessibility) and
# onnxruntime-web (which `cnn-mellin export --web` makes part of its page) into node_modules of the checkout.
set -eu

wanted=""
command -v sclite >/dev/null || command -v sctk >/dev/null || wanted="$wanted sctk"
command -v g++ >/dev/null || wanted="$wanted g++"
command -v cmake >/dev/null || wanted="$wanted cmake"
command -v chromium >/dev/null || wanted="$wanted chromium"
# The tests start these servers themselves, each with its own folder, user and port.
command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || wanted="$wanted postgresql"
command -v mariadbd >/dev/null || [ -x /usr/sbin/mariadbd ] || wanted="$wanted mariadb-server"
# The tests start a cluster of one node themselves; its programs are in a folder that is only on root's PATH.
for package in slurmctld slurmd munge; do
    [ -x "/usr/sbin/$package" ] || [ -x "/usr/sbin/${package}d" ] || wanted="$wanted $package"
done
command -v sbatch >/dev/null || wanted="$wanted slurm-client"

checkout="$(cd "$(dirname "$0")/.." && pwd)"
runtime="$(sed -n 's/^RUNTIME_VERSION = "\([0-9.]*\)".*/\1/p' "$checkout/src/cnn_mellin/export/web_page.py")"
if [ ! -e "$checkout/node_modules/axe-core/axe.min.js" ] ||
    ! grep -qs "\"version\": \"$runtime\"" "$checkout/node_modules/onnxruntime-web/package.json"; then
    if command -v npm >/dev/null; then
        npm install --silent --no-save --no-package-lock --no-audit --no-fund --prefix "$checkout" \
            axe-core@4 "onnxruntime-web@$runtime" >/dev/null ||
            echo "npm could not install axe-core and onnxruntime-web; tests of pages are skipped and say so." >&2
    else
        echo "To test all pages in a browser, install npm and run this again; without it, some tests are skipped." >&2
    fi
fi
[ -n "$wanted" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    # shellcheck disable=SC2086  # one word per package
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $wanted >/dev/null
else
    echo "To run every test, install:$wanted (Debian's names); without them, some tests are skipped and say so." >&2
fi
