"""Recurrent layers computed one by one, so that the dropout between them can be that of a whole batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence

from cnn_mellin.layers.dropout_rows import DropoutRows, dropout

__all__ = ["packed_layers"]

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "GRU": torch.gru,
    "LSTM": torch.lstm,
    "RNN_TANH": torch.rnn_tanh,
    "RNN_RELU": torch.rnn_relu,
}


def packed_layers(rnn: torch.nn.RNNBase, packed: PackedSequence, rows: DropoutRows | None = None) -> PackedSequence:
    """Compute `rnn(packed)[0]`; on a CPU, dropout uses the same random numbers.

    Args:
        rnn: recurrent layers of any type, in training mode, without projections.
        packed: features (frames, inputs), longest sequence first.
        rows: frames of a whole batch that `packed` holds, for dropout; None if it holds them all.

    Returns:
        (frames, directions x hidden), packed like the features.

    >>> rnn = torch.nn.LSTM(3, 4, 2, bidirectional=True)
    >>> packed = torch.nn.utils.rnn.pack_sequence([torch.randn(5, 3), torch.randn(2, 3)])
    >>> torch.allclose(packed_layers(rnn, packed).data, rnn(packed)[0].data, atol=1e-6)
    True
    """
    directions = 2 if rnn.bidirectional else 1
    data = packed.data
    for layer in range(rnn.num_layers):
        both = rnn.all_weights[layer * directions : (layer + 1) * directions]
        weights = [weight for direction in both for weight in direction]
        start = data.new_zeros(directions, int(packed.batch_sizes[0]), rnn.hidden_size)
        state = (start, start) if rnn.mode == "LSTM" else start
        data = _FUNCTIONS[rnn.mode](
            data, packed.batch_sizes, state, weights, bool(rnn.bias), 1, 0.0, rnn.training, bool(rnn.bidirectional)
        )[0]
        if rnn.dropout and rnn.training and layer < rnn.num_layers - 1:
            data = dropout(data, rnn.dropout, rows)
    return PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
