import pytest
import torch

from cnn_mellin.config import AcousticModelConfig, read_settings
from cnn_mellin.errors import SettingsError
from cnn_mellin.layers import MellinLinearConv2d
from cnn_mellin.models import AcousticModel
from cnn_mellin.models.layer_plan import plan_front_end, plan_layers
from cnn_mellin.shipped_file import shipped_file


def test_layers_on_schedule_shrink_time_and_frequency_and_grow_channels():
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


def test_mellin_layers_have_the_published_offsets():
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


def test_a_kernel_offset_sets_the_ratios_and_gives_every_output_with_a_tap():
    config = AcousticModelConfig(
        window_size=12,
        convolutional_mellin=True,
        convolutional_layers=2,
        convolutional_kernel_time=7,
        convolutional_kernel_offset=2,
        convolutional_factor_schedule=9,
    )
    first, second = plan_layers(81, config)
    assert [layer.out_sizes[0] for layer in (first, second)] == [6, 3]
    assert (first.kernel_offset, first.input_dilation) == (2, 1)
    assert first.tap_table().dead_rows == ()
    assert [str(tap.ratio) for tap in first.tap_table().outputs[1]] == ["2", "3", "4", "5", "6"]
    assert second.tap_table().dead_rows == (5, 6)
    config.convolutional_input_dilation = 2
    assert [layer.out_sizes[0] for layer in plan_layers(81, config)] == [12, 12]
    config.convolutional_kernel_offset = 13
    config.convolutional_input_dilation = None
    with pytest.raises(
        SettingsError, match="convolutional_kernel_offset is 13, but the input of a layer has 12 frames"
    ):
        plan_layers(81, config)


def test_without_padding_linear_layers_give_the_outputs_inside_the_window():
    config = AcousticModelConfig(
        window_size=12,
        convolutional_time_padding=False,
        convolutional_layers=1,
        convolutional_kernel_time=7,
        convolutional_kernel_freq=9,
    )
    (layer,) = plan_layers(81, config)
    assert layer.out_sizes == (6, 81)
    assert layer.num_live_weights == 64 * (1 + 7 * 9)
    assert layer.multiply_adds == 6 * 7 * 9 * 64 * 81
    config.window_size = 6
    with pytest.raises(SettingsError, match="convolutional_kernel_time is 7, but the input of a layer has 6 frames"):
        plan_layers(81, config)


def test_the_published_settings_with_mellin_layers_have_four_dead_rows_of_six():
    settings = read_settings(shipped_file("model/published-lcorr-fbank-81-10ms.ini"))
    settings.model.convolutional_mellin = True
    first, *_ = plan_layers(81, settings.model)
    assert (len(first.tap_table().dead_rows), first.kernel[0], first.tap_table().most_ratios) == (4, 6, 2)
    assert first.num_live_weights == 124 * (1 + 2 * 8)


@pytest.mark.parametrize("mellin", [False, True])
def test_exactly_the_live_rows_get_a_gradient(mellin):
    config = AcousticModelConfig(
        window_size=4,
        window_stride=4,
        convolutional_mellin=mellin,
        convolutional_kernel_time=7,
        convolutional_kernel_freq=3,
        convolutional_layers=2,
        convolutional_initial_channels=2,
        convolutional_nonlinearity="tanh",
        recurrent_layers=0,
        seed=1,
    )
    model = AcousticModel(5, 3, config).double()
    model(torch.rand(2, 8, 5, dtype=torch.float64), torch.tensor([8, 8]))[0].pow(2).sum().backward()
    for layer, convolution in zip(plan_layers(5, config), model.convs, strict=True):
        assert isinstance(convolution, torch.nn.Conv2d | MellinLinearConv2d)
        assert convolution.weight.grad is not None
        learning = convolution.weight.grad.abs().sum((0, 1, 3)).nonzero().flatten().tolist()
        assert learning == list(layer.tap_table().live_rows)


def test_linear_layers_are_never_empty():
    config = AcousticModelConfig(window_size=1, convolutional_kernel_time=4, convolutional_layers=1)
    (layer,) = plan_layers(81, config)
    assert (layer.padding[0], layer.out_sizes[0]) == (2, 2)


@pytest.mark.parametrize("mellin", [False, True])
@pytest.mark.parametrize("num_features", [1, 2, 41])
@pytest.mark.parametrize("kernel", [1, 2, 5])
@pytest.mark.parametrize("window", [1, 2, 7])
def test_outputs_have_the_planned_sizes(mellin, num_features, kernel, window):
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


def test_a_local_branch_longer_than_a_window_is_refused():
    config = AcousticModelConfig(window_size=2, local_branch_channels=1)
    with pytest.raises(
        SettingsError,
        match="local_branch_kernel_time is 3, but windows have 2 frames; it must be at most that: lengthen window_size",
    ):
        plan_front_end(81, config)
    config.local_branch_channels = 0
    assert plan_front_end(81, config).local_branch is None


@pytest.mark.parametrize("pooling", ["sum", "attention", "none"])
@pytest.mark.parametrize("num_layers", [0, 1, 3])
def test_the_output_size_is_that_of_the_model(pooling, num_layers):
    config = AcousticModelConfig(
        convolutional_layers=num_layers,
        convolutional_initial_channels=2,
        convolutional_freq_factor=2,
        window_pooling=pooling,
        local_branch_channels=3,
        recurrent_layers=0,
        window_anchors=2,
        seed=1,
    )
    model = AcousticModel(9, 4, config)
    assert plan_front_end(9, config).output_size == model.out.in_features
    assert model.convolve(torch.rand(2, 6, 9)).shape == (2, model.out.in_features)


def test_layers_are_computed_at_each_anchor_and_the_rest_once():
    config = AcousticModelConfig(convolutional_layers=2, local_branch_channels=3, window_pooling="attention")
    once = plan_front_end(9, config)
    config.window_anchors = 3
    found = plan_front_end(9, config)
    assert found.multiply_adds - once.multiply_adds == 2 * sum(layer.multiply_adds for layer in once.layers)
    assert found.num_weights == once.num_weights
