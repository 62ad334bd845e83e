import pytest
import torch

from cnn_mellin.layers import MellinConv1d, MellinLinearConv2d
from cnn_mellin.testing import assert_dilation_equivariant, dilated, equivariance_error


@pytest.mark.parametrize("offset", [1, 3])
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 5])
def test_mellin_layers_are_equivariant(kernel, dilation, offset):
    keywords = {"output_offset": offset, "kernel_offset": 2, "input_dilation": dilation, "output_length": 90}
    assert_dilation_equivariant(MellinConv1d(2, 3, kernel, **keywords).double(), tolerance=1e-12)
    square = MellinLinearConv2d(2, 3, (kernel, 2), **keywords, padding=(1, 0))
    assert_dilation_equivariant(square.double(), tolerance=1e-12)


@pytest.mark.parametrize(
    "layer",
    [
        torch.nn.Conv1d(2, 3, 3, padding=1, bias=False),
        torch.nn.Conv1d(2, 3, 3, padding=1),
        torch.nn.Sequential(MellinConv1d(2, 2, 3, output_length=60), torch.nn.Conv1d(2, 3, 2)),
    ],
    ids=["linear", "linear-bias", "mixed"],
)
def test_a_linear_layer_is_caught(layer):
    with pytest.raises(AssertionError, match="a signal 2 times slower .* the layer is not equivariant to dilation"):
        assert_dilation_equivariant(layer, torch.randn(1, 2, 24))


def test_a_wrong_offset_is_caught():
    layer = MellinConv1d(2, 3, 3, output_offset=2, output_length=90)
    assert_dilation_equivariant(layer)
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_dilation_equivariant(layer, output_offset=1)


def test_dilated_puts_samples_at_multiples():
    signal = torch.randn(2, 3, 4, 5)
    slow = dilated(signal, 3)
    assert slow.shape == (2, 3, 12, 5)
    assert torch.equal(slow[:, :, 2::3], signal)
    assert not slow[:, :, 0::3].any()
    assert not slow[:, :, 1::3].any()


def test_nothing_to_compare_is_an_error():
    with pytest.raises(ValueError, match="give the layer a longer output_length"):
        equivariance_error(MellinConv1d(1, 1, 2, output_length=1), torch.ones(1, 1, 4), 2)
    with pytest.raises(ValueError, match="all outputs to compare are zero"):
        equivariance_error(MellinConv1d(1, 1, 2, bias=False, output_length=8), torch.zeros(1, 1, 4), 2)
    with pytest.raises(ValueError, match="factor is 1; it must be at least 2"):
        equivariance_error(MellinConv1d(1, 1, 2), torch.ones(1, 1, 4), 1)
    with pytest.raises(ValueError, match="factor is 0; it must be at least 1"):
        dilated(torch.ones(1, 1, 4), 0)
    with pytest.raises(ValueError, match="give a signal"):
        assert_dilation_equivariant(torch.relu)
