"""From logits to phones."""

from cnn_mellin.decoding.greedy import greedy_search

__all__ = ["greedy_search"]
