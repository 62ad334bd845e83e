"""Training: one epoch, the loop, checkpoints, history."""
