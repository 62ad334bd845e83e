import pytest
import torch

from cnn_mellin.layers.dropout_rows import DropoutRows, channel_dropout, dropout
from cnn_mellin.layers.rectified_dropout import rectified_dropout

FUNCTIONS = [dropout, channel_dropout, rectified_dropout]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("shape", [(3, 7), (40, 9, 9)])  # the second takes several pieces
@pytest.mark.parametrize("prob", [0.0, 0.3])
def test_some_rows_are_dropped_as_they_are_in_the_whole_batch(function, shape, prob, device):
    torch.manual_seed(0)
    signal = torch.randn(401, *shape, device=device)
    rows = (torch.rand(401) < 0.4).nonzero().flatten().to(device)
    torch.manual_seed(3)
    whole = function(signal.clone(), prob)
    following = torch.rand(1, device=device)
    torch.manual_seed(3)
    some = function(signal[rows], prob, DropoutRows(401, rows))
    assert torch.equal(some, whole[rows])
    assert torch.equal(torch.rand(1, device=device), following)  # the streams stay in step


@pytest.mark.parametrize("function", FUNCTIONS)
def test_gradients_of_some_rows(function):
    leaf = torch.randn(3, 2, 5, dtype=torch.float64, requires_grad=True)

    def dropped(signal: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(1)
        out: torch.Tensor = function(signal * 2, 0.4, DropoutRows(6, torch.tensor([0, 2, 5])))
        return out

    assert torch.autograd.gradcheck(dropped, (leaf,))
