import pytest

from cnn_mellin.ops import mellin_support_length, mellin_valid_length


@pytest.mark.parametrize("t", [0, 1, 2, 7, 12])
@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("s", [1, 2, 4])
@pytest.mark.parametrize("d", [1, 3])
@pytest.mark.parametrize("u", [1, 2, 5])
def test_lengths_are_what_counting_gives(t, k, s, d, u):
    offsets = {"output_offset": s, "kernel_offset": d, "input_dilation": u}
    valid = sum((out + s) * (k - 1 + d) <= t * u for out in range(200))
    support = sum((out + s) * d <= t * u for out in range(200))
    assert mellin_valid_length(t, k, **offsets) == valid
    assert mellin_support_length(t, **offsets) == support


@pytest.mark.parametrize("name", ["output_offset", "kernel_offset", "input_dilation"])
def test_wrong_arguments_are_named(name):
    with pytest.raises(ValueError, match=f"{name} is 0; it must be at least 1"):
        mellin_valid_length(5, 2, **{name: 0})
    with pytest.raises(ValueError, match=f"{name} is 0; it must be at least 1"):
        mellin_support_length(5, **{name: 0})


def test_wrong_lengths_are_named():
    with pytest.raises(ValueError, match="signal_length is -1; it must be at least 0"):
        mellin_valid_length(-1, 2)
    with pytest.raises(ValueError, match="kernel_length is 0; it must be at least 1"):
        mellin_valid_length(5, 0)
