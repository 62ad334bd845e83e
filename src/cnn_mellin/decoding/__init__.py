"""From logits to phones."""

from cnn_mellin.decoding.greedy import greedy_search, greedy_segments
from cnn_mellin.decoding.prefix_beam_search import prefix_beam_search

__all__ = ["greedy_search", "greedy_segments", "prefix_beam_search"]
