import subprocess
import sys
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


FRAMES = [1, 5, 40]  # one for each formulation


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own, of jvp
@pytest.mark.parametrize("output_length", FRAMES)
@pytest.mark.parametrize("mode", ["vmap", "jvp", "autocast", "inference first"])
def test_torchs_transforms_work(mode, output_length):
    layer = MellinLinearConv2d(2, 3, (3, 2), input_dilation=2, output_length=output_length)
    signal = torch.randn(4, 2, 5, 6)
    expected = layer(signal)
    if mode == "vmap":
        found = torch.func.vmap(lambda one: layer(one.unsqueeze(0)).squeeze(0))(signal)
    elif mode == "jvp":
        found = torch.func.jvp(layer, (signal,), (signal,))[1]
        assert layer.bias is not None
        expected = expected - layer.bias.view(-1, 1, 1)  # the derivative along the signal is the linear part
    elif mode == "inference first":
        layer.output_offset = 2  # a shape that nothing has used before
        with torch.inference_mode():
            layer(signal)
        found = expected = layer(signal)
        found.sum().backward()
        assert layer.weight.grad is not None
    else:
        with torch.autocast("cpu", torch.bfloat16):
            found = layer(signal)
        assert found.dtype == torch.bfloat16
    assert torch.allclose(found.float(), expected, atol=0.1 if mode == "autocast" else 1e-6)


COLD = """
import sys, torch
from cnn_mellin.layers import MellinLinearConv2d
mode, output_length = sys.argv[1], int(sys.argv[2])
layer = MellinLinearConv2d(2, 3, (3, 2), input_dilation=2, output_length=output_length)
signal = torch.randn(4, 2, 5, 6)
if mode == "export":
    program = torch.export.export(layer, (signal,), dynamic_shapes=({0: torch.export.Dim("batch", min=2)},))
    found, signal = program.module()(signal[:3]), signal[:3]
else:
    found = torch.compile(layer, backend=mode, fullgraph=True)(signal)
assert torch.allclose(found, layer(signal), atol=1e-6)
"""


@pytest.mark.slow
@pytest.mark.parametrize("output_length", FRAMES)
@pytest.mark.parametrize("mode", ["eager", "aot_eager", "export"])
def test_compile_and_export_work_in_a_process_that_has_cached_nothing(mode, output_length):
    command = [sys.executable, "-W", "error", "-c", COLD, mode, str(output_length)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


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
