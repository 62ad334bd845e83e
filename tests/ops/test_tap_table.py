from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
import torch

from cnn_mellin.ops import mellin_correlate_1d
from cnn_mellin.ops.reference import reference_correlate_1d
from cnn_mellin.ops.tap_table import linear_tap_table, mellin_tap_table


def marked(num_frames: int, kernel_length: int, **offsets: Any) -> list[dict[int, int]]:
    """Frame by kernel row for each output, found by correlating one kernel row at a time with numbered frames."""
    outputs: list[dict[int, int]] = []
    signal = torch.arange(1.0, num_frames + 1, dtype=torch.float64).view(1, 1, -1)
    for row in range(kernel_length):
        kernel = torch.zeros(1, 1, kernel_length, dtype=torch.float64)
        kernel[..., row] = 1
        for output, value in enumerate(reference_correlate_1d(signal, kernel, **offsets).flatten().tolist()):
            if output == len(outputs):
                outputs.append({})
            if value:
                outputs[output][row] = round(value) - 1
    return outputs


def test_taps_equal_those_of_the_reference_on_random_shapes():
    rng = random.Random(0)
    for _ in range(500):
        num_frames, kernel_length = rng.randint(1, 12), rng.randint(1, 8)
        offsets = {name: rng.randint(1, 4) for name in ("output_offset", "kernel_offset", "input_dilation")}
        offsets["output_length"] = rng.randint(1, 14)
        table = mellin_tap_table(num_frames, kernel_length, **offsets)
        found = [{tap.kernel_row: tap.frame for tap in taps} for taps in table.outputs]
        assert found == marked(num_frames, kernel_length, **offsets), (num_frames, kernel_length, offsets)
        for output, taps in enumerate(table.outputs):
            for tap in taps:
                assert tap.ratio is not None
                assert tap.frame + 1 == (output + offsets["output_offset"]) * tap.ratio


def test_linear_taps_equal_those_of_a_convolution():
    for num_frames, kernel_length, stride, padding in itertools.product((1, 3, 7), (1, 2, 5), (1, 2), (0, 1, 3)):
        if num_frames + 2 * padding < kernel_length:
            continue
        table = linear_tap_table(num_frames, kernel_length, stride=stride, padding=padding)
        signal = torch.arange(1.0, num_frames + 1).view(1, 1, -1)
        for row in range(kernel_length):
            kernel = torch.zeros(1, 1, kernel_length)
            kernel[..., row] = 1
            expected = torch.nn.functional.conv1d(signal, kernel, stride=stride, padding=padding).flatten().tolist()
            met = [{tap.kernel_row: tap.frame + 1 for tap in taps}.get(row, 0) for taps in table.outputs]
            assert met == expected


@pytest.mark.parametrize(("num_frames", "kernel_length", "dilation"), [(2, 6, 3), (3, 3, 2), (9, 7, 4), (5, 1, 1)])
def test_dead_rows_get_no_gradient(num_frames, kernel_length, dilation):
    kernel = torch.randn(2, 3, kernel_length, dtype=torch.float64, requires_grad=True)
    signal = torch.rand(4, 3, num_frames, dtype=torch.float64) + 1
    mellin_correlate_1d(signal, kernel, input_dilation=dilation, output_length=num_frames).sum().backward()
    assert kernel.grad is not None
    without = [row for row in range(kernel_length) if not kernel.grad[..., row].any()]
    table = mellin_tap_table(num_frames, kernel_length, input_dilation=dilation, output_length=num_frames)
    assert list(table.dead_rows) == without


def test_the_published_settings_have_four_dead_rows_of_six():
    table = mellin_tap_table(2, 6, input_dilation=3, output_length=2)
    assert table.dead_rows == (0, 1, 3, 4)
    assert str(table) == "out 0: row 2 x frame 0, row 5 x frame 1\nout 1: row 2 x frame 1"
    assert table.num_taps == 3


def test_outputs_past_the_support_meet_nothing():
    table = mellin_tap_table(3, 2, output_length=10**4)
    assert len(table.outputs) == 10**4
    assert table.outputs[3:] == ((),) * (10**4 - 3)
    with pytest.raises(ValueError, match="output_length is -1; it must be at least 0"):
        mellin_tap_table(3, 2, output_length=-1)
    with pytest.raises(ValueError, match="kernel_offset is 0; it must be at least 1"):
        mellin_tap_table(3, 2, kernel_offset=0)
