"""From logits to phones."""

from cnn_mellin.decoding.forced_alignment import forced_alignment
from cnn_mellin.decoding.greedy import greedy_search, greedy_segments
from cnn_mellin.decoding.n_best import write_n_best
from cnn_mellin.decoding.prefix_beam_search import prefix_beam_search

__all__ = ["forced_alignment", "greedy_search", "greedy_segments", "prefix_beam_search", "write_n_best"]
