# Parts of the examples of searches, which source this file.

run_workers() { # ARGUMENT...: run `cnn-mellin optim ARGUMENT...` in $num_workers workers, until all trials have ended
  local workers=()
  for ((worker = 0; worker < num_workers; worker++)); do
    cnn-mellin --quiet optim "$@" &
    workers+=($!)
  done
  for worker in "${workers[@]}"; do wait "$worker"; done
}

train_pairs() { # call `train start SEED` and `train found SEED` side by side, for $num_seeds seeds
  for ((seed = 1; seed <= num_seeds; seed++)); do
    train start "$seed" &
    start=$!
    train found "$seed"
    wait "$start"
  done
}
