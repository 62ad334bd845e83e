import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from cnn_mellin.models.gated_recurrence import is_faster, packed_gru


def packed_features(lengths, size=5):
    packed = pack_sequence([torch.randn(length, size, dtype=torch.float64) for length in lengths])
    return PackedSequence(packed.data.requires_grad_(), packed.batch_sizes)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("layers", "dropout"), [(1, 0.0), (3, 0.0), (3, 0.4)])
@pytest.mark.parametrize("lengths", [(1,), (7,), (4, 4), (9, 6, 6, 2, 1)])
def test_outputs_and_gradients_equal_those_of_torch(lengths, layers, dropout, bidirectional):
    torch.manual_seed(1)
    gru = torch.nn.GRU(5, 4, layers, dropout=dropout, bidirectional=bidirectional).double()
    packed = packed_features(lengths)
    torch.manual_seed(2)
    expected = gru(packed)[0].data
    torch.manual_seed(2)
    found = packed_gru(gru, packed)
    assert torch.allclose(found.data, expected, atol=1e-12, rtol=0)
    assert torch.equal(found.batch_sizes, packed.batch_sizes)
    weights = torch.randn_like(expected)
    inputs = [packed.data, *gru.parameters()]
    wanted = torch.autograd.grad((expected * weights).sum(), inputs)
    for ours, theirs in zip(torch.autograd.grad((found.data * weights).sum(), inputs), wanted, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-12, rtol=0)


def test_the_order_of_the_utterances_is_kept():
    gru = torch.nn.GRU(5, 4).double()
    packed = pack_sequence([torch.randn(n, 5, dtype=torch.float64) for n in (2, 5, 3)], enforce_sorted=False)
    found = torch.nn.utils.rnn.pad_packed_sequence(packed_gru(gru, packed))[0]
    assert torch.allclose(found, torch.nn.utils.rnn.pad_packed_sequence(gru(packed)[0])[0])


def test_it_replaces_only_layers_that_it_supports():
    gru = torch.nn.GRU(5, 4)
    assert is_faster(gru)
    assert not is_faster(torch.nn.LSTM(5, 4))
    assert not is_faster(torch.nn.GRU(5, 4, bias=False))
    assert not is_faster(torch.nn.GRU(5, 4).eval())
    with torch.no_grad():
        assert not is_faster(gru)
    with torch.autocast("cpu", torch.bfloat16):
        assert not is_faster(gru)


def test_gradients_of_gradients_are_refused():
    gru, packed = torch.nn.GRU(5, 4).double(), packed_features((3, 2))
    (gradient,) = torch.autograd.grad(packed_gru(gru, packed).data.square().sum(), packed.data, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.square().sum().backward()
