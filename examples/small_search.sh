#!/usr/bin/env bash
# A whole small search: many small models, then larger ones with the settings that mattered, then whether it was worth it.
#
#   examples/small_search.sh [FOLDER]   # three quarters of an hour on two cores; killed, the same command goes on
#
# The best of many trials is also the luckiest. So the settings that were found, and those at the start, are trained anew
# with seeds of their own, and compared on voices that had no part in the search.
set -euo pipefail

conf=$(cd "$(dirname "$0")/../conf" && pwd -P)
mkdir -p "${1:-small-search}"
cd "${1:-small-search}"
export OMP_NUM_THREADS=1 # small models train fastest on one thread each
num_workers=2 num_trials_sm=${NUM_TRIALS_SM:-80} num_trials_lg=${NUM_TRIALS_LG:-24} num_seeds=${NUM_SEEDS:-5}
url=${DB_URL:-sqlite:///search.db} data=data/fbank-81-10ms

cnn-mellin corpus demo corpus --utterances "${UTTERANCES:-1500}"
cnn-mellin prep timit corpus data --features fbank-81-10ms --partial

# The demonstration's settings, but with warm-up and small gradients: larger models than its own would learn nothing with
# one seed and everything with the next, and a search would take that for a difference between settings.
cat > stable.ini << END
[training]
num_epochs = ${NUM_EPOCHS:-8}
learning_rate_warmup_proportion = 0.15
max_gradient_norm = 1
END
cnn-mellin --read-ini "$conf/model/demo-mcorr.ini" --read-ini stable.ini --print-ini > start.ini

search() { # STUDY SAMPLER: all its trials, by several workers
  local workers=()
  for ((worker = 0; worker < num_workers; worker++)); do
    cnn-mellin --quiet optim --study-name "$1" "$url" run --sampler "$2" --model-dir models &
    workers+=($!)
  done
  for worker in "${workers[@]}"; do wait "$worker"; done
}

# Small models, at random: which settings matter, and which value of each is best whatever the others are.
cnn-mellin --read-ini start.ini optim --study-name small "$url" init $data/train \
  --whitelist 'model.window_.*' 'model.convolutional_kernel_.*' model.recurrent_size \
  --dev-proportion 0.2 --num-trials "$num_trials_sm" --pruner none --mem-limit-bytes 60000000
search small random
cnn-mellin optim --study-name small "$url" important --top-k 3 large.params
cnn-mellin optim --study-name small "$url" best --independent large.ini

# Larger ones: only what mattered, from there on.
cnn-mellin --read-ini large.ini optim --study-name large "$url" init $data/train \
  --whitelist @large.params \
  --dev-proportion 0.2 --num-trials "$num_trials_lg" --pruner median --mem-limit-bytes 90000000
search large tpe
cnn-mellin optim --study-name large "$url" best found.ini
cnn-mellin optim "$url" status
cnn-mellin optim --study-name large "$url" plot pictures

# Start and result, trained anew.
train() { # SETTINGS SEED
  local model=models/$1/seed$2
  cnn-mellin --quiet --read-ini "$1.ini" train $data/train $data/dev "$model" --seed "$2"
  cnn-mellin --quiet decode "$model" $data/test "systems/$1/seed$2/test.trn"
}
for ((seed = 1; seed <= num_seeds; seed++)); do
  train start "$seed" &
  start=$!
  train found "$seed"
  wait "$start"
done
cnn-mellin compare systems/start systems/found --references $data/ext --utt2spk $data/ext/utt2spk
