"""The table of docs/python-api.md on compile, export and autocast holds, cell by cell."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch.export import Dim, export

from cnn_mellin.features import FeatureExtractor
from cnn_mellin.layers import LogTimeFrontEnd, MellinConv1d, MellinLinearConv2d
from cnn_mellin.models import AcousticModel, AcousticModelConfig

Case = tuple[torch.nn.Module, Callable[[int], torch.Tensor], int]  # module, signal of a length, time axis


def front_end(*, log_time: bool) -> LogTimeFrontEnd:
    return LogTimeFrontEnd(8, 4, 2, window_size=4, window_stride=2, kernel_offset=2, log_time=log_time)


def layer(name: str) -> Case:
    """A module, its signals, and their time axis."""
    torch.manual_seed(1)
    cases: dict[str, Callable[[], Case]] = {
        "1d": lambda: (MellinConv1d(2, 4, 3), lambda length: torch.randn(2, 2, length), 2),
        "2d": lambda: (MellinLinearConv2d(1, 4, (3, 5)), lambda length: torch.randn(2, 1, length, 9), 2),
        "log time": lambda: (front_end(log_time=True), lambda length: torch.randn(2, 8, length), 2),
        "control": lambda: (front_end(log_time=False), lambda length: torch.randn(2, 8, length), 2),
        "stft": lambda: (FeatureExtractor.named("fbank-81-10ms"), lambda length: torch.randn(100 * length), 0),
        "si": lambda: (FeatureExtractor.named("sigbank-41-2ms"), lambda length: torch.randn(100 * length), 0),
    }
    return cases[name]()


LAYERS = ("1d", "2d", "log time", "control", "stft", "si")
CONVOLUTIONS = ("1d", "2d", "log time", "control")


def mellin_model() -> AcousticModel:
    config = AcousticModelConfig(
        convolutional_layers=1, convolutional_mellin=True, recurrent_layers=1, recurrent_size=4, seed=1
    )
    return AcousticModel(9, 5, config).eval()


FEATURES, LENGTHS = torch.randn(2, 20, 9), torch.tensor([20, 11])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*Function'> should not be instantiated:DeprecationWarning")  # torch's own tracer
@pytest.mark.parametrize("name", LAYERS)
def test_compiles_for_any_length(name):
    module, signal, _ = layer(name)
    torch._dynamo.reset()
    compiled = torch.compile(module, dynamic=True, fullgraph=True, backend="aot_eager")
    for length in (40, 47):
        features = signal(length)
        torch.testing.assert_close(compiled(features), module(features), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["1d", "2d"])
def test_exports_for_any_length(name):
    module, signal, axis = layer(name)
    time = Dim("time", min=6, max=5000)
    program = export(module, (signal(40),), dynamic_shapes=({axis: time},)).module()
    for length in (6, 47):
        features = signal(length)
        torch.testing.assert_close(program(features), module(features))


@pytest.mark.filterwarnings("ignore:The tensor attribute .* was assigned during export:UserWarning")  # a cache
@pytest.mark.parametrize("name", ["log time", "control", "stft", "si"])
def test_exports_for_one_length(name):
    module, signal, _ = layer(name)
    features = signal(40)
    torch.testing.assert_close(export(module, (features,)).module()(features), module(features), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["1d", "2d", "log time", "control", "stft", "si"])
def test_autocast(name):
    module, signal, _ = layer(name)
    with torch.autocast("cpu", torch.bfloat16):
        expected = torch.float32 if name in ("stft", "si") else torch.bfloat16
        assert module(signal(40)).dtype == expected


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_dtypes(name, dtype):
    module, signal, _ = layer(name)
    assert module.to(dtype)(signal(40).to(dtype)).dtype == dtype


@pytest.mark.filterwarnings("ignore:Complex modules are a new feature:UserWarning")
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_complex_numbers(name):
    module, signal, _ = layer(name)
    if isinstance(module, LogTimeFrontEnd):
        module.pooling = "sum"
    assert module.to(torch.complex64)(signal(40).to(torch.complex64)).dtype == torch.complex64


@pytest.mark.parametrize("name", LAYERS)
def test_derivatives_of_derivatives(name):
    module, signal, _ = layer(name)
    features = signal(40).double().requires_grad_()
    (gradient,) = torch.autograd.grad(module.double()(features).square().sum(), features, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), features)
    assert second.isfinite().all()


@pytest.mark.parametrize("name", ["1d", "2d", "control", "stft"])
def test_vmap(name):
    module, signal, _ = layer(name)
    signals = torch.stack([signal(40) for _ in range(3)])
    expected = torch.stack([module(one) for one in signals])
    torch.testing.assert_close(torch.vmap(module)(signals), expected, atol=1e-4, rtol=1e-4)


def test_acoustic_model():
    plain = mellin_model()
    with torch.autocast("cpu", torch.bfloat16):
        assert plain(FEATURES, LENGTHS)[0].dtype == torch.bfloat16
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        assert copy.deepcopy(plain).to(dtype)(FEATURES.to(dtype), LENGTHS)[0].dtype == dtype
    features = FEATURES.double().requires_grad_()
    logits = copy.deepcopy(plain).double()(features, LENGTHS)[0]
    (gradient,) = torch.autograd.grad(logits.square().sum(), features, create_graph=True)
    assert torch.autograd.grad(gradient.square().sum(), features)[0].isfinite().all()
