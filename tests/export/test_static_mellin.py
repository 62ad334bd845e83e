import pytest
import torch

from cnn_mellin.export.static_mellin import StaticMellin
from cnn_mellin.layers import MellinConv1d, MellinLinearConv2d


@pytest.mark.parametrize("offsets", [(1, 1, 1), (1, 4, 1), (2, 1, 2), (1, 7, 3)])
@pytest.mark.parametrize("num_frames", [1, 4, 11])
def test_equals_the_layer_in_two_dimensions(offsets, num_frames):
    names = ("output_offset", "kernel_offset", "input_dilation")
    settings = dict(zip(names, offsets, strict=True)) | {"stride": 2, "dilation": 1, "padding": (1, 0)}
    layer = MellinLinearConv2d(3, 2, (5, 4), output_length=6, **settings)
    signal = torch.randn(2, 3, num_frames, 9, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(StaticMellin(layer, num_frames)(signal), layer(signal))


@pytest.mark.parametrize("bias", [True, False])
def test_equals_the_layer_in_one_dimension(bias):
    layer = MellinConv1d(2, 3, 7, input_dilation=4, output_length=30, bias=bias)
    signal = torch.randn(4, 2, 25, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(StaticMellin(layer, 25)(signal), layer(signal))


def test_a_layer_without_output_length_is_refused():
    with pytest.raises(ValueError, match="layer has no output_length; give it one"):
        StaticMellin(MellinConv1d(1, 1, 3), 9)
