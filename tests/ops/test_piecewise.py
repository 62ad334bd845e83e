from typing import Any

import pytest
import torch

from cnn_mellin.ops import mellin_linear_correlate_2d
from cnn_mellin.ops.mellin_correlation import Formulation, correlate_by_formulation
from cnn_mellin.ops.reference import reference_correlate_2d

KEYWORDS: dict[str, Any] = {"kernel_offset": 2, "input_dilation": 3, "output_length": 8, "stride": 2, "padding": (1, 2)}
POINTWISE: dict[str, Any] = {"kernel_offset": 2, "input_dilation": 3, "output_length": 8}
FORMULATIONS: list[Formulation] = ["per_tap", "im2col", "dft", "pointwise"]


def sampled(width: int) -> list[torch.Tensor]:
    torch.manual_seed(1)
    shapes = [(5, 2, 6, 7), (3, 2, 4, width), (3,)]
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


@pytest.fixture(params=FORMULATIONS)
def case(request):
    """A formulation, signal, kernel and bias for it, and keywords."""
    pointwise = request.param == "pointwise"
    return request.param, sampled(1 if pointwise else 3), POINTWISE if pointwise else KEYWORDS


@pytest.fixture
def inputs():
    return sampled(3)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own, of jvp
def test_transformations_equal_those_of_the_reference(case):
    formulation, inputs, keywords = case

    def correlate(*tensors):
        return correlate_by_formulation(*tensors, **keywords, formulation=formulation)

    def reference(*tensors):
        return reference_correlate_2d(*tensors, **keywords)

    tensors = tuple(tensor.detach() for tensor in inputs)
    tangents = tuple(torch.randn_like(tensor) for tensor in tensors)
    found, along, *_ = torch.func.jvp(correlate, tensors, tangents)
    expected, expected_along, *_ = torch.func.jvp(reference, tensors, tangents)
    assert torch.allclose(found, expected)
    assert torch.allclose(along, expected_along)

    signals = torch.stack([tensors[0], 2 * tensors[0] + 1])
    found = torch.vmap(correlate, (0, None, None))(signals, *tensors[1:])
    assert torch.allclose(found, torch.stack([reference(signal, *tensors[1:]) for signal in signals]))

    def loss(kernel, signal):
        return correlate(signal, kernel, tensors[2]).square().sum()

    each = torch.vmap(torch.func.grad(loss), (None, 0))(tensors[1], signals)  # gradients per example
    kernel = tensors[1].clone().requires_grad_()
    for found, signal in zip(each, signals, strict=True):
        (wanted,) = torch.autograd.grad(reference(signal, kernel, tensors[2]).square().sum(), kernel)
        assert torch.allclose(found, wanted)
    hessian = torch.func.hessian(loss)(tensors[1], signals[0])
    assert torch.allclose(hessian.flatten(0, 3).flatten(1), hessian.flatten(0, 3).flatten(1).T)


@pytest.mark.parametrize("needed", [(True, False, False), (False, True, False), (False, False, True)])
def test_gradients_are_right_if_only_one_is_needed(case, needed):
    formulation, inputs, keywords = case
    tensors = [tensor.detach().requires_grad_(needs) for tensor, needs in zip(inputs, needed, strict=True)]
    out = correlate_by_formulation(*tensors, **keywords, formulation=formulation)
    gradients = torch.autograd.grad(out.square().sum(), [tensor for tensor in tensors if tensor.requires_grad])
    expected = torch.autograd.grad(reference_correlate_2d(*inputs, **keywords).square().sum(), inputs)
    assert torch.allclose(gradients[0], expected[needed.index(True)])


def test_a_batch_in_many_pieces_equals_one_piece(case, monkeypatch):
    formulation, inputs, keywords = case
    whole = correlate_by_formulation(*inputs, **keywords, formulation=formulation)
    wanted = torch.autograd.grad(whole.square().sum(), inputs)
    monkeypatch.setattr("cnn_mellin.ops.batch_pieces._NUMBERS_PER_PIECE", 300)  # two signals, two, one
    monkeypatch.setattr("cnn_mellin.ops.dft._SIGNALS_PER_PIECE", 2)
    pieced = correlate_by_formulation(*inputs, **keywords, formulation=formulation)
    assert torch.allclose(pieced, whole)
    for found, expected in zip(torch.autograd.grad(pieced.square().sum(), inputs), wanted, strict=True):
        assert torch.allclose(found, expected)


def test_channels_last_in_is_channels_last_out(case):
    formulation, (signal, kernel, bias), keywords = case
    stored = signal.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    out = correlate_by_formulation(stored, kernel, bias, **keywords, formulation=formulation)
    expected = mellin_linear_correlate_2d(signal, kernel, bias, **keywords)
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(out, expected)
    (gradient,) = torch.autograd.grad(out.square().sum(), stored)
    assert gradient.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(gradient, *torch.autograd.grad(expected.square().sum(), signal))


@pytest.mark.parametrize("width", [1, 3, 9])
@pytest.mark.parametrize("channels", [1, 3])
def test_under_autocast_gradients_keep_the_dtype_of_the_parameters(channels, width):
    torch.manual_seed(1)
    signal = torch.randn(4, channels, 6, 9, requires_grad=True)
    kernel = torch.randn(5, channels, 3, width, requires_grad=True)
    padding = (width // 2, width // 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = mellin_linear_correlate_2d(signal, kernel, input_dilation=2, padding=padding)
    assert out.dtype == torch.bfloat16
    gradients = torch.autograd.grad(out.float().square().sum(), (signal, kernel))
    expected = reference_correlate_2d(signal, kernel, input_dilation=2, padding=padding)
    wanted = torch.autograd.grad(expected.square().sum(), (signal, kernel))
    assert torch.allclose(out.float(), expected, atol=0.2 if width < 9 else 0.4)
    for found, exact in zip(gradients, wanted, strict=True):
        assert found.dtype == torch.float32
        assert (found - exact).norm() < 0.02 * exact.norm()


def test_infinities_stay_in_the_outputs_that_read_them():
    signal = torch.zeros(3, 2, 6, 5)
    signal[1, 0, 5, 2] = torch.inf
    kernel = torch.ones(2, 2, 3, 1)
    out = mellin_linear_correlate_2d(signal, kernel, input_dilation=2, output_length=6)
    expected = reference_correlate_2d(signal, kernel, input_dilation=2, output_length=6)
    assert torch.equal(out, expected)
    assert out[[0, 2]].isfinite().all()
