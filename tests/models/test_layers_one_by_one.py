from collections.abc import Callable

import pytest
import torch
from torch.nn.utils.rnn import pack_sequence

from cnn_mellin.models.layers_one_by_one import packed_layers

KINDS: dict[str, Callable[..., torch.nn.RNNBase]] = {
    "GRU": torch.nn.GRU,
    "LSTM": torch.nn.LSTM,
    "tanh": torch.nn.RNN,
    "ReLU": lambda *sizes, **options: torch.nn.RNN(*sizes, nonlinearity="relu", **options),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_equals_all_layers_at_once_with_the_same_dropout(kind, bidirectional):
    rnn = KINDS[kind](3, 4, 3, bidirectional=bidirectional, dropout=0.4)
    packed = pack_sequence([torch.randn(5, 3), torch.randn(2, 3)])
    torch.manual_seed(1)
    expected = rnn(packed)[0].data
    torch.manual_seed(1)
    found = packed_layers(rnn, packed).data
    assert torch.equal(found, expected)
    torch.manual_seed(2)
    assert not torch.equal(packed_layers(rnn, packed).data, expected)
