#!/usr/bin/env bash
# How fast-lcorr.ini was found: a search for settings for minutes of training, and its result beside its start.
#
#   examples/fast_search.sh DATA [FOLDER]
#
# An hour on two cores, for 640 utterances; after a kill, the same command resumes.
# DATA is a data directory, such as DATA/fbank-81-10ms after `cnn-mellin prep table corpus.tsv DATA --features
# fbank-81-10ms`. A fifth of its training utterances, of speakers of their own, decides about the trials, and its dev
# partition about the settings that were found: the best of many trials is also the luckiest.
set -euo pipefail

. "$(dirname "$0")/search_parts.sh"
data=$(cd "$1" && pwd -P)
mkdir -p "${2:-fast-search}"
cd "${2:-fast-search}"
export OMP_NUM_THREADS=1 # small models train fastest on one thread each
num_workers=2 num_trials=${NUM_TRIALS:-30} num_seeds=${NUM_SEEDS:-3} num_epochs=${NUM_EPOCHS:-20}
url=${DB_URL:-sqlite:///search.db}

# Start: demo-lcorr, with attention over each window. If the search finds that dropout helps, it is that of
# single coefficients.
cat > changes.ini << END
[model]
window_pooling = attention
[training]
num_epochs = $num_epochs
convolutional_dropout_2d = False
END
cnn-mellin --read-ini demo-lcorr --read-ini changes.ini --print-ini > start.ini

# Only settings with which a training takes about as long.
cnn-mellin --read-ini start.ini optim "$url" init "$data/train" \
  --whitelist model.recurrent_size training.log10_learning_rate training.learning_rate_warmup_proportion \
  training.learning_rate_decay_proportion training.weight_averaging_decay training.dropout_prob \
  training.max_tempo_factor training.num_time_mask training.max_freq_mask \
  --range model.recurrent_size 96 192 --range training.log10_learning_rate -3 -2 \
  --range training.weight_averaging_decay 0.9 0.998 --range training.max_tempo_factor 1 1.5 \
  --range training.num_time_mask 0 4 --range training.max_freq_mask 5 20 \
  --dev-proportion 0.2 --num-trials "$num_trials" --pruner median
run_workers "$url" run --model-dir models/search
cnn-mellin optim "$url" status
cnn-mellin optim "$url" export trials.csv
cnn-mellin optim "$url" plot pictures
cnn-mellin optim "$url" best found.ini

# Models with the settings at the start and with those found, and the means of their 5 best epochs, on partitions that
# the search did not use: choose on dev.
printf '[training]\nkeep_last_and_best_only = False\n' > every-epoch.ini
train() { # SETTINGS SEED
  local model=models/$1/seed$2
  cnn-mellin --quiet --read-ini "$1.ini" --read-ini every-epoch.ini train "$data/train" "$data/dev" "$model" --seed "$2"
  for part in dev test; do
    cnn-mellin --quiet decode "$model" "$data/$part" "systems/$1/seed$2/$part.trn"
    cnn-mellin --quiet decode "$model" "$data/$part" "systems/$1-best5/seed$2/$part.trn" --epoch best5
  done
}
train_pairs
for part in dev test; do
  echo "$part:"
  cnn-mellin compare systems/{start,start-best5,found,found-best5} --part "$part" \
    --references "$data/ext" --utt2spk "$data/ext/utt2spk"
done
