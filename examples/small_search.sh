#!/usr/bin/env bash
# A whole small search: many small models, then larger ones over the settings that mattered, then a test of the result.
#
#   examples/small_search.sh [FOLDER]   # three quarters of an hour on two cores; after a kill, the same command resumes
#
# The best of many trials is also the luckiest. So models with the settings that were found, and with those at the start,
# are trained with new seeds and compared on voices that the search did not use.
set -euo pipefail

. "$(dirname "$0")/search_parts.sh"
conf=$(cd "$(dirname "$0")/../conf" && pwd -P)
mkdir -p "${1:-small-search}"
cd "${1:-small-search}"
export OMP_NUM_THREADS=1 # small models train fastest on one thread each
num_workers=2 num_trials_sm=${NUM_TRIALS_SM:-80} num_trials_lg=${NUM_TRIALS_LG:-24} num_seeds=${NUM_SEEDS:-5}
url=${DB_URL:-sqlite:///search.db} data=data/fbank-81-10ms

cnn-mellin corpus demo corpus --utterances "${UTTERANCES:-1500}"
cnn-mellin prep timit corpus data --features fbank-81-10ms --partial

# Start: demo-mcorr, with warm-up and tighter gradient clipping: without, larger models learn nothing with one seed and
# everything with the next, and a search takes that for a difference between settings.
cat > stable.ini << END
[training]
num_epochs = ${NUM_EPOCHS:-8}
learning_rate_warmup_proportion = 0.15
max_gradient_norm = 1
END
cnn-mellin --read-ini "$conf/model/demo-mcorr.ini" --read-ini stable.ini --print-ini > start.ini

# Small models, with random settings: which settings matter, and which value of each is best whatever the others are.
cnn-mellin --read-ini start.ini optim --study-name small "$url" init $data/train \
  --whitelist 'model.window_.*' 'model.convolutional_kernel_.*' model.recurrent_size \
  --dev-proportion 0.2 --num-trials "$num_trials_sm" --pruner none --mem-limit-bytes 200000000
run_workers --study-name small "$url" run --sampler random --model-dir models
cnn-mellin optim --study-name small "$url" important --top-k 3 large.params
cnn-mellin optim --study-name small "$url" best --independent large.ini

# Larger models: search only the settings that mattered, starting from their best values.
cnn-mellin --read-ini large.ini optim --study-name large "$url" init $data/train \
  --whitelist @large.params \
  --dev-proportion 0.2 --num-trials "$num_trials_lg" --pruner median --mem-limit-bytes 400000000
run_workers --study-name large "$url" run --sampler tpe --model-dir models
cnn-mellin optim --study-name large "$url" best found.ini
cnn-mellin optim "$url" status
cnn-mellin optim --study-name large "$url" plot pictures

# Train models with the settings at the start and with those found, and compare them.
train() { # SETTINGS SEED
  local model=models/$1/seed$2
  cnn-mellin --quiet --read-ini "$1.ini" train $data/train $data/dev "$model" --seed "$2"
  cnn-mellin --quiet decode "$model" $data/test "systems/$1/seed$2/test.trn"
}
train_pairs
cnn-mellin compare systems/start systems/found --references $data/ext --utt2spk $data/ext/utt2spk
