import pytest
import torch

from cnn_mellin.layers.rectified_dropout import rectified_dropout


@pytest.mark.parametrize("prob", [0.0, 0.136287, 0.75])
def test_values_are_those_of_relu_or_zero(prob, device):
    torch.manual_seed(1)
    signal = torch.randn(301, 7, 11, 43, dtype=torch.float64, device=device)  # several pieces, the last of odd size
    out = rectified_dropout(signal.clone(), prob)
    positive = signal > 0
    assert (out[~positive] == 0).all()
    kept = out[positive] != 0
    assert abs(float(kept.double().mean()) - (1 - prob)) < 0.002
    assert torch.allclose(out[positive][kept], signal[positive][kept] / (1 - prob), rtol=1e-4)
    # Each number draws for itself: neighbours stay together as often as chance has it.
    present = out != 0
    for other in (present.roll(1, 3), present.roll(4, 3), present.roll(1, 0)):
        together = float((present & other).double().mean())
        assert abs(together - float(present.double().mean()) ** 2) < 0.003


@pytest.mark.slow
def test_gradient_follows_what_stayed(device):
    leaf = torch.randn(5, 3, 2, 3, dtype=torch.float64, device=device, requires_grad=True)

    def drawn(signal: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        return rectified_dropout(signal * 2, 0.25)

    assert torch.autograd.gradcheck(drawn, (leaf,))
    assert torch.autograd.gradgradcheck(drawn, (leaf,))
    out = drawn(leaf)
    (gradient,) = torch.autograd.grad(out.sum(), leaf)
    assert torch.allclose(gradient, (out > 0) * torch.full_like(out, 2 / 0.75))


def test_takes_the_memory_it_is_given_and_the_numbers_of_torchs_stream():
    signal = torch.randn(3, 5)
    torch.manual_seed(4)
    first = rectified_dropout(signal.clone(), 0.5)
    after = torch.rand(())
    torch.manual_seed(4)
    again = signal.clone()
    assert rectified_dropout(again, 0.5).data_ptr() == again.data_ptr()
    assert torch.equal(first, again)
    assert torch.equal(after, torch.rand(()))
    assert not torch.equal(first, rectified_dropout(signal.clone(), 0.5))


@pytest.mark.parametrize("shape", [(0,), (2, 0, 3), (1,)])
def test_ends_of_the_range(shape):
    assert torch.equal(rectified_dropout(torch.ones(shape), 0.0), torch.ones(shape))
    assert torch.equal(rectified_dropout(torch.ones(shape), 1.0), torch.zeros(shape))
    with pytest.raises(ValueError, match=r"prob is 1.5; it must lie in 0\.\.1"):
        rectified_dropout(torch.ones(shape), 1.5)
