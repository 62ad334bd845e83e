import itertools
import re
from dataclasses import asdict, replace
from typing import Any

import pytest

from cnn_mellin.config import AcousticModelConfig, read_settings
from cnn_mellin.errors import SettingsError
from cnn_mellin.models import AcousticModel
from cnn_mellin.models.layer_plan import plan_layers
from cnn_mellin.models.layer_summary import summarize_layers


def mellin(**changes) -> AcousticModelConfig:
    defaults = {"convolutional_mellin": True, "convolutional_layers": 1, "convolutional_time_factor": 1}
    return AcousticModelConfig(**(defaults | changes))


def is_faultless(config: AcousticModelConfig) -> bool:
    """The rule, from the products of every layer."""
    tables = [layer.tap_table() for layer in plan_layers(81, config)]
    return all(not table.dead_rows and table.most_ratios >= 3 for table in tables)


def test_a_fault_is_named_exactly_where_a_row_is_dead_or_fewer_than_three_ratios_are_compared():
    found = set()
    sizes = itertools.product(range(1, 8), range(1, 8), (None, 1, 2, 3), (None, 1, 2, 4), (1, 2))
    for window, kernel, offset, dilation, layers in sizes:
        config = mellin(
            window_size=window,
            convolutional_kernel_time=kernel,
            convolutional_kernel_offset=offset,
            convolutional_input_dilation=dilation,
            convolutional_layers=layers,
            convolutional_factor_schedule=1,
            convolutional_time_factor=layers,
        )
        try:
            faultless = is_faultless(config)
        except SettingsError:  # no layers can be planned
            continue
        assert (summarize_layers(81, config).fault is None) == faultless, config
        found.add(faultless)
    assert found == {True, False}


def test_settings_of_which_no_layers_can_be_made_are_a_fault_not_an_error():
    summary = summarize_layers(81, mellin(window_size=2, convolutional_kernel_offset=3))
    assert summary.num_weights == 0
    assert summary.fault is not None
    assert "convolutional_kernel_offset is 3, but the input of a layer has 2 frames" in summary.fault


def test_each_remedy_leaves_no_fault_and_a_shorter_window_would_not_do():
    num_remedies = 0
    sizes = itertools.product((1, 2, 3, 5), (1, 3, 4, 6), (None, 1, 3), (1, 2), (1, 4))
    for window, kernel, offset, factor, layers in sizes:
        config = mellin(
            window_size=window,
            convolutional_kernel_time=kernel,
            convolutional_kernel_offset=offset,
            convolutional_time_factor=factor,
            convolutional_layers=layers,
        )
        fault = summarize_layers(81, config).fault
        for name, sign, value in re.findall(r"(\w+) (>=|=) (\d+)", fault or ""):
            num_remedies += 1
            remedy: dict[str, Any] = {name: int(value)}
            assert is_faultless(replace(config, **remedy))
            if name == "window_size":
                assert sign == ">="
                assert summarize_layers(81, replace(config, window_size=int(value) - 1)).fault is not None
                assert is_faultless(replace(config, window_size=int(value) + 7))
    assert num_remedies > 50


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            {"window_size": 2, "convolutional_kernel_time": 6},
            "[model] 4 of 6 kernel rows of layer 1 meet no frame of its 2-frame input and never learn; no output "
            "compares three ratios: take window_size >= 5",
        ),
        (
            {"window_size": 5, "convolutional_kernel_time": 6, "convolutional_kernel_offset": 2},
            "[model] 2 of 6 kernel rows of layer 1 meet no frame of its 5-frame input and never learn: take "
            "window_size >= 7 or convolutional_kernel_time = 4",
        ),
        (
            {"window_size": 5, "convolutional_layers": 5, "convolutional_time_factor": 2},
            "[model] 5 of 9 kernel rows of layers 3 to 5 meet no frame of their inputs of 1 to 2 frames and never "
            "learn; no output of layers 2 to 5 compares three ratios: take window_size >= 12 or "
            "convolutional_kernel_offset = 1",
        ),
        (
            {"window_size": 9, "convolutional_kernel_time": 2},
            "[model] no output of layer 1 compares three ratios: take convolutional_kernel_time = 3",
        ),
        ({"window_size": 3}, None),
        ({"window_size": 1, "convolutional_mellin": False}, None),
        ({"window_size": 1, "convolutional_layers": 0}, None),
    ],
)
def test_faults_are_one_line_with_remedies(changes, fault):
    assert summarize_layers(81, mellin(**changes)).fault == fault


@pytest.mark.parametrize("name", ["demo-mcorr", "demo-lcorr", "published-linear-as-mcorr-fbank-81-10ms"])
@pytest.mark.parametrize("num_features", [1, 81])
def test_weights_are_those_of_the_model(name, num_features):
    config = read_settings(name).model
    summary = summarize_layers(num_features, config)
    model = AcousticModel(num_features, 3, config)
    assert summary.num_weights == sum(weight.numel() for weight in model.convs.parameters())
    plan = plan_layers(num_features, config)
    assert summary.num_live_weights == sum(layer.num_live_weights for layer in plan)
    assert summary.multiply_adds_per_frame == sum(layer.multiply_adds for layer in plan) / config.window_stride


def test_published_settings_as_mellin_have_fewer_live_weights():
    published = read_settings("published-linear-as-mcorr-fbank-81-10ms").model
    summary = summarize_layers(81, AcousticModelConfig(**(asdict(published) | {"convolutional_mellin": True})))
    assert summary.num_live_weights < summary.num_weights
    assert summary.fault is not None
    assert "kernel rows of layers 1 and 2 meet no frame of their 4-frame inputs" in summary.fault
