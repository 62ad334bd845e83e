#!/usr/bin/env bash
# Prepare TIMIT as data/timit/FEATURES/{train,dev,test,ext}, in the current folder:
#
#   scripts/timit_prep.sh TIMIT [FEATURES ...] [OPTION ...]
#
# FEATURES are fbank-81-10ms, sigbank-41-2ms and raw (default: all three), computed in one pass over the audio. Options
# are those of `cnn-mellin prep timit`, such as --phones 39. Partitions that exist are not computed again, so that the
# same command resumes after an interruption. On a cluster: sbatch scripts/timit_prep.slrm, with the same arguments.
set -euo pipefail

if [[ $# -eq 0 || "$1" == -* ]]; then
    echo "usage: $0 TIMIT [FEATURES ...] [OPTION ...]; TIMIT is the folder that holds TRAIN and TEST" >&2
    exit 2
fi
timit_dir="$1"
shift
if [[ $# -eq 0 || "$1" == -* ]]; then
    set -- fbank-81-10ms sigbank-41-2ms raw "$@"
fi
command -v cnn-mellin >/dev/null || {
    echo "cnn-mellin is not on the PATH; activate its environment first (conda activate cnn-mellin)" >&2
    exit 2
}
exec cnn-mellin prep timit "$timit_dir" data/timit --features "$@"
