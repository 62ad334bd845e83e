from collections.abc import Callable
from typing import Any

import pytest
import torch

from cnn_mellin.layers import MellinConv1d, MellinLinearConv2d
from cnn_mellin.ops import mellin_correlate_1d, mellin_linear_correlate_2d

OFFSETS: dict[str, Any] = {"output_offset": 2, "kernel_offset": 3, "input_dilation": 4, "output_length": 7}


def test_layers_are_their_operations():
    signal = torch.randn(2, 3, 9, 8)
    flat = MellinConv1d(3, 4, 5, **OFFSETS)
    assert torch.equal(flat(signal[..., 0]), mellin_correlate_1d(signal[..., 0], flat.weight, flat.bias, **OFFSETS))
    axis: dict[str, Any] = {"stride": 2, "dilation": 3, "padding": (1, 4)}
    square = MellinLinearConv2d(3, 4, (5, 2), **OFFSETS, **axis)
    expected = mellin_linear_correlate_2d(signal, square.weight, square.bias, **OFFSETS, **axis)
    assert torch.equal(square(signal), expected)


def test_parameters_are_drawn_as_torchs_convolutions_draw_them():
    pairs: list[tuple[Callable[[], torch.nn.Module], Callable[[], torch.nn.Module]]] = [
        (lambda: MellinConv1d(3, 4, 5), lambda: torch.nn.Conv1d(3, 4, 5)),
        (lambda: MellinLinearConv2d(3, 4, (5, 2)), lambda: torch.nn.Conv2d(3, 4, (5, 2))),
    ]
    for ours, theirs in pairs:
        torch.manual_seed(1)
        mellin = ours().state_dict()
        torch.manual_seed(1)
        linear = theirs().state_dict()
        assert all(torch.equal(mellin[name], linear[name]) for name in ("weight", "bias"))


def test_print_says_what_differs_from_the_defaults():
    layer = MellinLinearConv2d(1, 8, 3, kernel_offset=4, output_length=2, padding=(1, 1), bias=False)
    assert repr(layer) == (
        "MellinLinearConv2d(1, 8, kernel_size=(3, 3), kernel_offset=4, output_length=2, padding=(1, 1), bias=False)"
    )


@pytest.mark.parametrize("mode", ["vmap", "compile", "export", "autocast"])
def test_torchs_transforms_work(mode):
    layer = MellinLinearConv2d(2, 3, (3, 2), input_dilation=2, output_length=5)
    signal = torch.randn(4, 2, 5, 6)
    expected = layer(signal)
    if mode == "vmap":
        found = torch.func.vmap(lambda one: layer(one.unsqueeze(0)).squeeze(0))(signal)
    elif mode == "compile":
        found = torch.compile(layer, backend="eager", fullgraph=True)(signal)
    elif mode == "export":
        batch = torch.export.Dim("batch", min=2)
        program = torch.export.export(layer, (signal,), dynamic_shapes=({0: batch},))
        found = program.module()(signal[:3])
        expected = expected[:3]
    else:
        with torch.autocast("cpu", torch.bfloat16):
            found = layer(signal)
        assert found.dtype == torch.bfloat16
    assert torch.allclose(found.float(), expected, atol=0.1 if mode == "autocast" else 1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": 0}, "in_channels is 0; it must be at least 1"),
        ({"out_channels": 0}, "out_channels is 0; it must be at least 1"),
        ({"kernel_size": (3, 0)}, "kernel_size is 0; it must be at least 1"),
        ({"output_offset": 0}, "output_offset is 0; it must be at least 1"),
        ({"output_length": -1}, "output_length is -1; it must be at least 0"),
        ({"stride": 0}, "stride is 0; it must be at least 1"),
        ({"dilation": 0}, "dilation is 0; it must be at least 1"),
        ({"padding": (-1, 0)}, "padding is -1; it must be at least 0"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        MellinLinearConv2d(**{"in_channels": 1, "out_channels": 1, "kernel_size": 3, **arguments})
