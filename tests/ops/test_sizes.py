import numpy as np
import pytest
import torch

from cnn_mellin.ops.sizes import size_of, sizes_of


@pytest.mark.parametrize(
    "value", [3, (3,), [3], np.int32(3), np.array(3), torch.tensor(3), (np.int64(3),), torch.Size([3])]
)
def test_whole_numbers_of_any_type_are_sizes(value):
    found = size_of("stride", value)
    assert (found, type(found)) == (3, int)
    assert sizes_of("padding", value, ("left", "right")) == (3, 3)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, "stride is 0; it must be at least 1"),
        (np.int64(-2), "stride is -2; it must be at least 1"),
        ((0,), "stride is 0; it must be at least 1"),
        (True, "stride is True; it must be a whole number, at least 1"),
        (np.bool_(True), r"stride is .*True.*; it must be a whole number, at least 1"),
        (torch.tensor(True), r"stride is tensor\(True\); it must be a whole number, at least 1"),
        (2.0, "stride is 2.0; it must be a whole number, at least 1"),
        (float("nan"), "stride is nan; it must be a whole number, at least 1"),
        ("2", "stride is '2'; it must be a whole number, at least 1"),
        (None, "stride is None; it must be a whole number, at least 1"),
        ((), r"stride is \(\); it must be a whole number or a tuple of 1"),
        ((1, 2), r"stride is \(1, 2\); it must be a whole number or a tuple of 1"),
    ],
)
def test_a_wrong_size_is_named(value, message):
    with pytest.raises(ValueError, match=message):
        size_of("stride", value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((), r"padding is \(\); it must be a whole number, or a tuple of 2: \(left, right\)"),
        ((1, 2, 3), r"padding is \(1, 2, 3\); it must be a whole number, or a tuple of 2: \(left, right\)"),
        ((1, -1), "padding is -1; it must be at least 0"),
        ((1, 2.5), "padding is 2.5; it must be a whole number, at least 0"),
        ([True, 1], "padding is True; it must be a whole number, at least 0"),
        ("same", "padding is 'same'; it must be a whole number, at least 0"),
    ],
)
def test_wrong_sizes_of_several_axes_are_named(value, message):
    with pytest.raises(ValueError, match=message):
        sizes_of("padding", value, ("left", "right"), 0)
