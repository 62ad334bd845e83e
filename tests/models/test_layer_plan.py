import pytest
import torch

from cnn_mellin.config import AcousticModelConfig
from cnn_mellin.models import AcousticModel
from cnn_mellin.models.layer_plan import plan_layers


def test_on_layers_shrink_time_and_frequency_and_grow_channels():
    config = AcousticModelConfig(
        window_size=9,
        convolutional_layers=4,
        convolutional_time_factor=2,
        convolutional_freq_factor=2,
        convolutional_channel_factor=3,
        convolutional_initial_channels=5,
        convolutional_factor_schedule=2,
    )
    plan = plan_layers(81, config)
    assert [layer.out_sizes for layer in plan] == [(9, 81), (5, 41), (5, 41), (3, 21)]
    assert [(layer.in_channels, layer.out_channels) for layer in plan] == [(1, 5), (5, 15), (15, 15), (15, 45)]
    config.convolutional_mellin = True
    assert [layer.out_sizes for layer in plan_layers(81, config)] == [(9, 81), (4, 40), (4, 40), (2, 20)]


def test_mellin_layers_have_the_offsets_of_the_design():
    config = AcousticModelConfig(
        convolutional_mellin=True,
        convolutional_layers=2,
        convolutional_time_factor=3,
        convolutional_kernel_time=6,
        convolutional_kernel_freq=4,
    )
    off, on = plan_layers(81, config)
    assert (off.kernel_offset, off.input_dilation, off.padding) == (1, 3, (1, 2))
    assert (on.kernel_offset, on.input_dilation, on.padding) == (13, 3, (1, 2))


def test_linear_layers_are_never_empty():
    config = AcousticModelConfig(window_size=1, convolutional_kernel_time=4, convolutional_layers=1)
    (layer,) = plan_layers(81, config)
    assert (layer.padding[0], layer.out_sizes[0]) == (2, 2)


@pytest.mark.parametrize("mellin", [False, True])
@pytest.mark.parametrize("num_features", [1, 2, 41])
@pytest.mark.parametrize("kernel", [1, 2, 5])
@pytest.mark.parametrize("window", [1, 2, 7])
def test_layers_give_what_is_planned(mellin, num_features, kernel, window):
    config = AcousticModelConfig(
        window_size=window,
        convolutional_mellin=mellin,
        convolutional_kernel_time=kernel,
        convolutional_kernel_freq=6 - kernel,
        convolutional_layers=3,
        convolutional_initial_channels=2,
        convolutional_freq_factor=2,
        convolutional_time_factor=2,
    )
    model = AcousticModel(num_features, 3, config)
    raw = num_features == 1
    hidden = torch.randn((2, 1, window) if raw else (2, 1, window, num_features))
    for layer, convolution in zip(plan_layers(num_features, config), model.convs, strict=True):
        hidden = convolution(hidden)
        if not raw:
            hidden = hidden[..., : layer.out_sizes[1]]
        expected = (2, layer.out_channels, *layer.out_sizes)
        assert hidden.shape == (expected[:3] if raw else expected)
