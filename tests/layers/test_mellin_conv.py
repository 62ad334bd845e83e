import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from cnn_mellin.layers import MellinConv1d, MellinLinearConv2d
from cnn_mellin.ops import mellin_correlate_1d, mellin_linear_correlate_2d
from cnn_mellin.ops.tap_table import mellin_tap_table

OFFSETS: dict[str, Any] = {"output_offset": 2, "kernel_offset": 3, "input_dilation": 4, "output_length": 7}


def test_layers_are_their_operations():
    signal = torch.randn(2, 3, 9, 8)
    flat = MellinConv1d(3, 4, 5, **OFFSETS)
    assert torch.equal(flat(signal[..., 0]), mellin_correlate_1d(signal[..., 0], flat.weight, flat.bias, **OFFSETS))
    axis: dict[str, Any] = {"stride": 2, "dilation": 3, "padding": (1, 4)}
    square = MellinLinearConv2d(3, 4, (5, 2), **OFFSETS, **axis)
    expected = mellin_linear_correlate_2d(signal, square.weight, square.bias, **OFFSETS, **axis)
    assert torch.equal(square(signal), expected)


def test_parameters_are_initialised_as_in_torchs_convolutions():
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


def test_repr_shows_settings_that_differ_from_the_defaults():
    layer = MellinLinearConv2d(1, 8, 3, kernel_offset=4, output_length=2, padding=(1, 1), bias=False)
    assert repr(layer) == (
        "MellinLinearConv2d(1, 8, kernel_size=(3, 3), kernel_offset=4, output_length=2, padding=(1, 1), bias=False)"
    )


def test_tap_tables_name_the_frames_that_each_kernel_row_meets():
    rng = random.Random(0)
    for _ in range(100):
        num_frames, kernel_length = rng.randint(0, 12), rng.randint(1, 8)
        offsets: dict[str, Any] = {
            name: rng.randint(1, 4) for name in ("output_offset", "kernel_offset", "input_dilation")
        }
        offsets["output_length"] = rng.choice([None, rng.randint(0, 14)])
        expected = mellin_tap_table(num_frames, kernel_length, **offsets)
        assert MellinConv1d(1, 2, kernel_length, **offsets).tap_table(num_frames) == expected
        square = MellinLinearConv2d(1, 2, (kernel_length, 3), **offsets, stride=2, padding=1)
        assert square.tap_table((num_frames,)) == expected


def test_kernel_rows_without_a_tap_get_no_gradient():
    layer = MellinLinearConv2d(2, 3, (6, 2), input_dilation=3, output_length=2)
    layer(torch.randn(4, 2, 2, 5)).square().sum().backward()
    assert layer.weight.grad is not None
    without = [row for row in range(6) if not layer.weight.grad[:, :, row].any()]
    assert tuple(without) == layer.tap_table(2).dead_rows == (0, 1, 3, 4)


def test_tap_tables_of_wrong_lengths_are_refused():
    with pytest.raises(ValueError, match="num_frames is -1; it must be at least 0"):
        MellinConv1d(1, 1, 3).tap_table(-1)


FRAMES = [1, 5, 40]  # each uses another formulation


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
        layer.output_offset = 2  # a shape that no test has used before
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


# docs/decisions/0001-dependencies.md says what older versions lack.
compiles = pytest.mark.skipif(
    tuple(map(int, torch.__version__.split("+")[0].split(".")[:2])) < (2, 13),
    reason="torch.compile and torch.export of the layers have been tried with torch 2.13 only",
)

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


@compiles
@pytest.mark.slow
@pytest.mark.parametrize("output_length", FRAMES)
@pytest.mark.parametrize("mode", ["eager", "aot_eager", "export"])
def test_compile_and_export_work_in_a_new_process(mode, output_length):
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": True}, "in_channels is True; it must be a whole number, at least 1"),
        ({"out_channels": 2.5}, "out_channels is 2.5; it must be a whole number, at least 1"),
        ({"kernel_size": 3.0}, "kernel_size is 3.0; it must be a whole number, at least 1"),
        ({"kernel_size": True}, "kernel_size is True; it must be a whole number, at least 1"),
        (
            {"kernel_size": (1, 2, 3)},
            r"kernel_size is \(1, 2, 3\); it must be a whole number, or a tuple of 2: \(frames, coefficients\)",
        ),
        ({"stride": (1, 2)}, r"stride is \(1, 2\); it must be a whole number or a tuple of 1"),
        ({"dilation": "2"}, "dilation is '2'; it must be a whole number, at least 1"),
        (
            {"padding": (1, 2, 3)},
            r"padding is \(1, 2, 3\); it must be a whole number, or a tuple of 2: \(left, right\)",
        ),
        ({"padding": ()}, r"padding is \(\); it must be a whole number, or a tuple of 2"),
        ({"output_length": 2.5}, "output_length is 2.5; it must be a whole number, at least 0"),
        ({"bias": 1}, "bias is 1; it must be True or False"),
        ({"dtype": torch.int64}, "dtype is torch.int64; it must be floating-point or complex"),
    ],
)
def test_arguments_of_wrong_type_or_length_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        MellinLinearConv2d(**{"in_channels": 1, "out_channels": 1, "kernel_size": 3, **arguments})


def test_a_1d_kernel_size_is_a_number_or_a_tuple_of_one():
    assert MellinConv1d(1, 2, (3,)).weight.shape == MellinConv1d(1, 2, np.int64(3)).weight.shape == (2, 1, 3)
    with pytest.raises(ValueError, match=r"kernel_size is \(3, 3\); it must be a whole number or a tuple of 1"):
        MellinConv1d(1, 2, (3, 3))


def test_sizes_are_accepted_in_the_forms_of_torchs_layers():
    layer = MellinLinearConv2d(np.int64(2), 3, [3, 2], stride=(2,), dilation=np.int32(2), padding=1)
    assert repr(layer) == "MellinLinearConv2d(2, 3, kernel_size=(3, 2), stride=2, dilation=2, padding=(1, 1))"
    assert layer(torch.zeros(1, 2, 9, 7)).shape == (1, 3, 3, 4)


def test_device_and_dtype_are_those_of_the_parameters():
    layers = [
        MellinConv1d(2, 3, 3, device="meta", dtype=torch.float64),
        MellinLinearConv2d(2, 3, 3, device="meta", dtype=torch.float64),
    ]
    for layer, shape in zip(layers, ((1, 2, 9), (1, 2, 9, 5)), strict=True):
        assert all((part.device.type, part.dtype) == ("meta", torch.float64) for part in layer.parameters())
        assert layer(torch.zeros(shape, device="meta", dtype=torch.float64)).shape[:3] == (1, 3, 3)
        layer.to_empty(device="cpu").reset_parameters()
        assert layer(torch.zeros(shape, dtype=torch.float64)).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.float64, torch.bfloat16], ids=str)
def test_signals_of_another_dtype_are_refused(dtype):
    with pytest.raises(ValueError, match=f"signal has dtype {dtype}"):
        MellinConv1d(1, 2, 3)(torch.ones(1, 1, 6, dtype=dtype))
    with pytest.raises(ValueError, match=f"signal has dtype {dtype}"):
        MellinLinearConv2d(1, 2, 3)(torch.ones(1, 1, 6, 6, dtype=dtype))


def test_one_signal_needs_no_batch():
    signal = torch.randn(2, 9, 5)
    flat, square = MellinConv1d(2, 3, 3), MellinLinearConv2d(2, 3, 3)
    assert torch.equal(flat(signal[..., 0]), flat(signal[None, ..., 0])[0])
    assert torch.equal(square(signal), square(signal[None])[0])


DYNAMIC: list[dict[str, Any]] = [{}, {"output_length": 7}, {"input_dilation": 4, "output_offset": 2}]
# Both layers, and the coefficients of their signals.
BOTH: list[tuple[Callable[..., torch.nn.Module], tuple[int, ...]]] = [
    (lambda **offsets: MellinConv1d(2, 3, 5, **offsets), ()),
    (lambda **offsets: MellinLinearConv2d(2, 3, (5, 3), padding=1, stride=2, **offsets), (9,)),
]


@compiles
@pytest.mark.slow
@pytest.mark.parametrize("offsets", DYNAMIC, ids=str)
@pytest.mark.parametrize(("make", "coefficients"), BOTH, ids=["1d", "2d"])
@pytest.mark.parametrize(("mode", "most"), [("dynamic", 1), ("marked", 1), ("neither", 2)])
def test_compiled_layers_serve_every_length(mode, most, make, coefficients, offsets):
    from torch._dynamo.testing import CompileCounterWithBackend  # imports for seconds

    torch._dynamo.reset()
    layer, counter = make(**offsets), CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(layer, backend=counter, fullgraph=True, dynamic=True if mode == "dynamic" else None)
    for length in (11, 17, 30, 41, 60):
        signal = torch.randn(4, 2, length, *coefficients)
        if mode == "marked":
            torch._dynamo.mark_dynamic(signal, 2)
        found, expected = compiled(signal), layer(signal)
        assert torch.allclose(found, expected, atol=1e-5)
        gradients = [torch.autograd.grad(out.square().sum(), layer.parameters()) for out in (found, expected)]
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-3)
    assert counter.frame_count <= most


@compiles
@pytest.mark.slow
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("offsets", DYNAMIC, ids=str)
@pytest.mark.parametrize(("make", "coefficients"), BOTH, ids=["1d", "2d"])
def test_exported_layers_serve_every_length(make, coefficients, offsets, strict):
    layer = make(**offsets)
    least = 1 if "output_length" in offsets else 10  # two outputs: torch exports programs for one separately
    time = torch.export.Dim("time", min=least, max=5000)
    signal = torch.randn(4, 2, 20, *coefficients)
    program = torch.export.export(layer, (signal,), dynamic_shapes=({2: time},), strict=strict).module()
    for length in (least, 20, 51):
        signal = torch.randn(4, 2, length, *coefficients)
        assert torch.allclose(program(signal), layer(signal), atol=1e-5)
