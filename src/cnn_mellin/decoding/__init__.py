"""From logits to phones."""

from cnn_mellin.decoding.greedy import greedy_search, greedy_segments

__all__ = ["greedy_search", "greedy_segments"]
