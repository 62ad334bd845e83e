import random
from typing import Any

import pytest
import torch

from cnn_mellin.ops import mellin_correlate_1d, mellin_linear_correlate_2d
from cnn_mellin.ops.geometry import Geometry
from cnn_mellin.ops.mellin_correlation import Formulation, choose_formulation, correlate_by_formulation
from cnn_mellin.ops.reference import reference_correlate_1d, reference_correlate_2d

FORMULATIONS: list[Formulation] = [
    "per_frame",
    "gather",
    "dynamic_gather",
    "joint_gather",
    "dense",
    "per_tap",
    "im2col",
    "dft",
    "pointwise",
]
NUM_CASES, NUM_BLOCKS = 3360, 24


def sampled_case(rng: random.Random) -> tuple[list[tuple[int, ...]], dict]:
    """Sample shapes of signal, kernel and bias, and keywords, each independently."""
    n, c, o = rng.randint(1, 2), rng.randint(1, 3), rng.randint(1, 3)
    t, f = rng.choice([1, 1, 2, 3, 5, 8, 12]), rng.choice([1, 2, 3, 6])
    k, w = rng.choice([1, 2, 3, 4, 7]), rng.choice([1, 2, 3, 5])
    keywords = {
        "output_offset": rng.randint(1, 4),
        "kernel_offset": rng.randint(1, 5),
        "input_dilation": rng.randint(1, 6),
        "output_length": rng.choice([None, 0, 1, 2, 3, 5, 9, 20]),
        "stride": rng.randint(1, 3),
        "dilation": rng.randint(1, 3),
        "padding": (rng.randint(0, 3), rng.randint(0, 4)),
    }
    return [(n, c, t, f), (o, c, k, w), (o,)], keywords


def is_too_small(expected: torch.Tensor, output_length: int | None) -> bool:
    """Whether a signal is too narrow, or too short without an output length."""
    return not expected.size(3) or (output_length is None and not expected.size(2))


@pytest.mark.parametrize("block", range(NUM_BLOCKS))
def test_values_and_gradients_equal_the_reference(block):
    rng = random.Random(block)
    torch.manual_seed(block)
    for case in range(NUM_CASES // NUM_BLOCKS):
        shapes, keywords = sampled_case(rng)
        formulation = FORMULATIONS[case % len(FORMULATIONS)]
        if formulation == "pointwise":  # for kernels of one coefficient
            shapes[1] = (*shapes[1][:3], 1)
            keywords |= {"stride": 1, "padding": (0, 0)}
        inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
        expected = reference_correlate_2d(*inputs, **keywords)
        if is_too_small(expected, keywords["output_length"]):
            with pytest.raises(ValueError, match="signal has .*, too few for an output|it must have at least the"):
                correlate_by_formulation(*inputs, **keywords, formulation=formulation)
            continue
        found = correlate_by_formulation(*inputs, **keywords, formulation=formulation)
        assert found.shape == expected.shape, (shapes, keywords)
        assert torch.allclose(found, expected, atol=1e-10, rtol=0), (shapes, keywords)
        if not expected.requires_grad:
            continue
        weights = torch.randn_like(expected)
        gradients = torch.autograd.grad((found * weights).sum(), inputs, materialize_grads=True)
        wanted = torch.autograd.grad((expected * weights).sum(), inputs, allow_unused=True, materialize_grads=True)
        for ours, theirs in zip(gradients, wanted, strict=True):
            assert torch.allclose(ours, theirs, atol=1e-10, rtol=0), (shapes, keywords)


@pytest.mark.parametrize("seed", range(50))
def test_1d_equals_the_reference(seed):
    rng = random.Random(seed)
    (signal, kernel, bias), keywords = sampled_case(rng)
    for name in ("stride", "dilation", "padding"):
        del keywords[name]
    inputs = [torch.randn(shape, dtype=torch.float64) for shape in (signal[:3], kernel[:3], bias)]
    expected = reference_correlate_1d(*inputs, **keywords)
    if is_too_small(expected.unsqueeze(3), keywords["output_length"]):
        with pytest.raises(ValueError, match="too few for an output whose every term lies inside it"):
            mellin_correlate_1d(*inputs, **keywords)
        return
    assert torch.allclose(mellin_correlate_1d(*inputs, **keywords), expected)


def test_the_shape_decides_the_formulation():
    geometry = Geometry(5, 3, 1, 1, 2, 5, 1, 1, (1, 1), 81)
    assert [choose_formulation((8, channels, 3, 2), 81, geometry) for channels in (1, 2)] == ["im2col", "per_tap"]
    longer = [geometry._replace(output_length=length) for length in (16, 17)]
    assert [choose_formulation((8, 1, 3, 2), 81, each) for each in longer] == ["im2col", "per_tap"]
    longer = [geometry._replace(signal_length=length, output_length=length) for length in (16, 17)]
    assert [choose_formulation((27, 27, 3, 9), 81, each) for each in longer] == ["dft", "per_tap"]
    assert [choose_formulation((27, 27, 3, width), 81, geometry) for width in (1, 2, 9)] == [
        "per_tap",
        "per_tap",
        "dft",
    ]
    unpadded = geometry._replace(padding=(0, 0))
    assert [choose_formulation((27, channels, 3, 1), 81, unpadded) for channels in (1, 27)] == [
        "pointwise",
        "pointwise",
    ]
    assert choose_formulation((27, 27, 3, 1), 81, unpadded._replace(stride=2)) == "per_tap"
    assert choose_formulation((27, 27, 3, 9), 81, geometry, dtype=torch.bfloat16) == "per_tap"
    longer = [geometry._replace(signal_length=length) for length in (16, 17)]
    assert [choose_formulation((8, 1, 3, 2), 81, each, "cuda") for each in longer] == ["dense", "joint_gather"]


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("channels", [1, 2])
def test_outputs_may_be_changed_in_place(channels, width, formulation):
    width = 1 if formulation == "pointwise" else width
    signal = torch.randn(2, channels, 6, 5, requires_grad=True)
    kernel = torch.randn(3, channels, 4, width, requires_grad=True)
    out = correlate_by_formulation(signal, kernel, input_dilation=2, formulation=formulation)
    expected = torch.autograd.grad(out.relu().sum(), [signal, kernel])
    out = correlate_by_formulation(signal, kernel, input_dilation=2, formulation=formulation)
    found = torch.autograd.grad(out.relu_().sum(), [signal, kernel])
    assert all(map(torch.equal, found, expected))


@pytest.mark.parametrize("channels", [1, 2])
def test_1d_outputs_may_be_changed_in_place(channels):
    signal, kernel = torch.randn(2, channels, 30, requires_grad=True), torch.randn(3, channels, 4)
    out = mellin_correlate_1d(signal, kernel, output_length=30).relu_()
    assert torch.equal(out, mellin_correlate_1d(signal, kernel, output_length=30).relu())


def test_golden_values():
    # By hand: out[t] = k[0] x[t] + k[1] x[2 t + 1], t from 0, as far as x reaches.
    signal, kernel = torch.tensor([[[1.0, 10.0, 100.0, 1000.0]]]), torch.tensor([[[2.0, 3.0]]])
    assert mellin_correlate_1d(signal, kernel, output_length=4).tolist() == [[[32.0, 3020.0, 200.0, 2000.0]]]
    # s = 2, d = 1, u = 2: out[t] = k[0] x[(t + 2) / 2 - 1] where t is even, + k[1] x[t + 1].
    found = mellin_correlate_1d(signal, kernel, output_offset=2, input_dilation=2, output_length=4)
    assert found.tolist() == [[[32.0, 300.0, 3020.0, 0.0]]]


@pytest.mark.slow
@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_gradcheck_and_gradgradcheck(formulation):
    torch.manual_seed(1)
    signal = torch.randn(2, 2, 6, 5, dtype=torch.float64, requires_grad=True)
    width, stride, padding = (1, 1, (0, 0)) if formulation == "pointwise" else (2, 2, (1, 2))
    kernel = torch.randn(3, 2, 3, width, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True)

    def correlate(*inputs: torch.Tensor) -> torch.Tensor:
        return correlate_by_formulation(
            *inputs,
            kernel_offset=2,
            input_dilation=3,
            output_length=8,
            stride=stride,
            padding=padding,
            formulation=formulation,
        )

    assert torch.autograd.gradcheck(correlate, (signal, kernel, bias))
    assert torch.autograd.gradgradcheck(correlate, (signal, kernel, bias))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_dtypes_and_devices(dtype, device):
    torch.manual_seed(1)
    signal, kernel = torch.randn(2, 3, 7, 6), torch.randn(4, 3, 3, 2)
    expected = reference_correlate_2d(signal, kernel, input_dilation=2, output_length=9)
    found = mellin_linear_correlate_2d(
        signal.to(device, dtype), kernel.to(device, dtype), input_dilation=2, output_length=9
    )
    assert found.dtype == dtype
    assert torch.allclose(found.float().cpu(), expected, atol=0.2 if dtype == torch.bfloat16 else 1e-5)


def test_whole_dilation_of_the_signal_becomes_a_shift_in_log_time():
    # Played p times more slowly, x'[p i + p - 1] = x[i], the output at p (t + 1) - 1 is what it was at t.
    torch.manual_seed(1)
    signal, kernel = torch.randn(1, 2, 12, dtype=torch.float64), torch.randn(3, 2, 4, dtype=torch.float64)
    before = mellin_correlate_1d(signal, kernel, output_length=12)
    for factor in (2, 3, 5):
        slow = torch.zeros(1, 2, 12 * factor, dtype=torch.float64)
        slow[:, :, factor - 1 :: factor] = signal
        after = mellin_correlate_1d(slow, kernel, output_length=12 * factor)
        assert torch.allclose(after[:, :, factor - 1 :: factor], before)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        (
            {"signal": torch.zeros(3, 4)},
            r"signal has shape \(3, 4\); it must be \(N, C, T, F\), or \(C, T, F\) without",
        ),
        ({"signal": [[1.0]]}, "signal is a list; it must be a tensor"),
        ({"bias": 1.0}, "bias is a float; it must be a tensor"),
        ({"kernel": torch.zeros(2, 3, 4)}, r"kernel has shape \(2, 3, 4\); it must be \(O, C, K, W\)"),
        ({"kernel": torch.zeros(1, 2, 3, 3)}, "kernel has 2 input channels; signal has 1"),
        ({"kernel": torch.zeros(1, 1, 0, 3)}, "no axis may be empty"),
        ({"bias": torch.zeros(2)}, r"bias has shape \(2,\); it must be \(1,\)"),
        ({"output_offset": 0}, "output_offset is 0; it must be at least 1"),
        ({"kernel_offset": -1}, "kernel_offset is -1; it must be at least 1"),
        ({"input_dilation": 0}, "input_dilation is 0; it must be at least 1"),
        ({"output_length": -1}, "output_length is -1; it must be at least 0"),
        ({"stride": 0}, "stride is 0; it must be at least 1"),
        ({"dilation": 0}, "dilation is 0; it must be at least 1"),
        ({"padding": (0, -1)}, "padding is -1; it must be at least 0"),
    ],
)
def test_wrong_arguments_are_named(keywords, message):
    arguments = {"signal": torch.zeros(1, 1, 4, 4), "kernel": torch.zeros(1, 1, 2, 2), **keywords}
    with pytest.raises(ValueError, match=message):
        mellin_linear_correlate_2d(**arguments)


def test_a_formulation_for_other_shapes_is_refused():
    signal, kernel = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 2, 2)
    with pytest.raises(ValueError, match="formulation is pointwise, but kernel has 2 coefficients"):
        correlate_by_formulation(signal, kernel, formulation="pointwise")


DTYPES = [
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.int32,
    torch.int64,
    torch.bool,
    torch.uint8,
]
DTYPES += [torch.complex64, torch.float8_e4m3fn]


def is_refused(function, *tensors: torch.Tensor) -> bool:
    try:
        function(*tensors)
    except (RuntimeError, ValueError):  # NotImplementedError is a RuntimeError
        return True
    return False


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("signal_dtype", DTYPES, ids=str)
def test_dtypes_are_refused_as_torchs_convolutions_refuse_them(signal_dtype, autocast):
    signal, kernel, bias = torch.ones(1, 1, 6), torch.ones(1, 1, 3), torch.ones(1)
    whole = {torch.int32, torch.int64, torch.uint8}  # a whole-number convolution is torch's, not ours
    for kernel_dtype in DTYPES:
        for bias_dtype in (None, kernel_dtype, torch.float32, torch.float64, torch.int64):
            tensors = [
                signal.to(signal_dtype),
                kernel.to(kernel_dtype),
                *([] if bias_dtype is None else [bias.to(bias_dtype)]),
            ]
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                expected = signal_dtype in whole or is_refused(torch.nn.functional.conv1d, *tensors)
                assert is_refused(mellin_correlate_1d, *tensors) == expected, (kernel_dtype, bias_dtype)
                if not expected:
                    found = mellin_correlate_1d(*tensors)
                    assert found.dtype == torch.nn.functional.conv1d(*tensors).dtype  # type: ignore[call-overload]
                    assert found.flatten().tolist() == [3 if bias_dtype is None else 4] * 2


@pytest.mark.parametrize("output_length", [None, 0, 3, 30])
@pytest.mark.parametrize("formulation", [None, *FORMULATIONS])
def test_every_formulation_gives_the_dtype_of_autocast(formulation, output_length):
    signal, kernel, bias = torch.ones(2, 2, 6, 5), torch.ones(3, 2, 3, 1), torch.ones(3)
    with torch.autocast("cpu", torch.bfloat16):
        out = correlate_by_formulation(
            signal, kernel, bias, input_dilation=3, output_length=output_length, formulation=formulation
        )
    assert out.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"signal": torch.ones(1, 1, 6, dtype=torch.int64)},
            r"signal has dtype torch.int64; it must be float16, .*convert",
        ),
        ({"signal": torch.ones(1, 1, 6, dtype=torch.bool)}, "signal has dtype torch.bool; it must be float16"),
        (
            {"signal": torch.ones(1, 1, 6, dtype=torch.float64)},
            r"signal has dtype torch.float64, but kernel has torch.float32; .*signal.to\(kernel.dtype\)",
        ),
        ({"bias": torch.ones(1).double()}, "signal has dtype torch.float32, but bias has torch.float64"),
        (
            {"signal": torch.ones(1, 1, 6, device="meta")},
            "signal is on meta, but kernel on cpu; they must be on the same",
        ),
        ({"bias": torch.ones(1, device="meta")}, "signal is on cpu, but bias on meta; .*move one of them"),
        (
            {"signal": torch.ones(1, 1, 2)},
            "signal has 2 frames, too few .*; it must have at least 3, or give output_length",
        ),
        ({"output_offset": 3, "input_dilation": 2, "signal": torch.ones(1, 1, 4)}, "it must have at least 5, or give"),
        ({"output_length": 2.0}, "output_length is 2.0; it must be a whole number, at least 0"),
        ({"output_offset": True}, "output_offset is True; it must be a whole number, at least 1"),
        ({"kernel_offset": (1, 2)}, r"kernel_offset is \(1, 2\); it must be a whole number or a tuple of 1"),
    ],
)
def test_wrong_1d_arguments_are_named(changes, message):
    arguments = {"signal": torch.ones(1, 1, 6), "kernel": torch.ones(1, 1, 3), "bias": torch.ones(1), **changes}
    with pytest.raises(ValueError, match=message):
        mellin_correlate_1d(**arguments)


def test_signals_narrower_than_the_kernel_are_named():
    signal, kernel = torch.ones(1, 1, 6, 3), torch.ones(1, 1, 2, 3)
    message = "signal has 3 coefficients, 4 with padding; it must have at least the 5 that the kernel spans"
    with pytest.raises(ValueError, match=message):
        mellin_linear_correlate_2d(signal, kernel, dilation=2, padding=(1, 0), output_length=2)
    assert mellin_linear_correlate_2d(signal, kernel, dilation=2, padding=1).shape == (1, 1, 3, 1)


def test_shortest_signals_give_one_output():
    offsets: dict[str, Any] = {"output_offset": 3, "input_dilation": 2}
    assert mellin_correlate_1d(torch.ones(1, 1, 5), torch.ones(1, 1, 3), **offsets).shape == (1, 1, 1)
    assert mellin_correlate_1d(torch.ones(1, 1, 2), torch.ones(1, 1, 3), output_length=4).shape == (1, 1, 4)
    assert mellin_correlate_1d(torch.ones(0, 1, 3), torch.ones(2, 1, 3)).shape == (0, 2, 1)


def test_sizes_are_accepted_in_the_forms_of_torchs_layers():
    signal, kernel = torch.randn(2, 2, 9, 7), torch.randn(3, 2, 3, 2)
    expected = mellin_linear_correlate_2d(signal, kernel, stride=2, dilation=2, padding=(1, 1), output_length=4)
    found = mellin_linear_correlate_2d(signal, kernel, stride=(2,), dilation=[2], padding=1, output_length=(4,))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("formulation", [None, *FORMULATIONS])
def test_one_signal_needs_no_batch(formulation):
    signal, kernel, bias = torch.randn(2, 9, 7), torch.randn(3, 2, 3, 1), torch.randn(3)
    found = correlate_by_formulation(signal, kernel, bias, input_dilation=2, formulation=formulation)
    expected = correlate_by_formulation(signal[None], kernel, bias, input_dilation=2, formulation=formulation)[0]
    assert torch.equal(found, expected)
    flat = mellin_correlate_1d(signal[..., 0], kernel[..., 0], bias)
    assert torch.equal(flat, mellin_correlate_1d(signal[None, ..., 0], kernel[..., 0], bias)[0])


def test_complex_numbers_give_the_reference_and_its_gradients():
    shapes = ((2, 3, 9, 5), (4, 3, 3, 2), (4,))
    inputs = [torch.randn(shape, dtype=torch.complex128, requires_grad=True) for shape in shapes]
    found, expected = mellin_linear_correlate_2d(*inputs), reference_correlate_2d(*inputs)
    assert torch.allclose(found, expected)
    gradients = [torch.autograd.grad(out.abs().square().sum(), inputs) for out in (found, expected)]
    assert all(map(torch.allclose, *gradients))


@pytest.mark.parametrize("output_length", [None, 0, 3, 40])
def test_meta_tensors_have_the_shapes_of_real_ones(output_length):
    shapes = ((2, 3, 9, 7), (4, 3, 3, 2), (4,))
    for device in ("cpu", "meta"):
        inputs = [torch.ones(shape, device=device, requires_grad=True) for shape in shapes]
        out = mellin_linear_correlate_2d(*inputs, padding=1, output_length=output_length)
        assert (out.shape, out.device.type) == ((2, 4, 3 if output_length is None else output_length, 8), device)
        gradients = torch.autograd.grad(out.sum(), inputs)
        assert [tuple(gradient.shape) for gradient in gradients] == list(shapes)
        with torch.autocast("cpu", torch.bfloat16):
            out = mellin_correlate_1d(inputs[0][..., 0], inputs[1][..., 0], output_length=output_length)
            assert out.dtype == (torch.float32 if device == "meta" else torch.bfloat16)
