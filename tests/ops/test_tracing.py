import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from cnn_mellin.ops import mellin_correlate_1d, mellin_linear_correlate_2d
from cnn_mellin.ops.tracing import is_symbolic, is_traced


def test_tensors_without_numbers_are_traced():
    with FakeTensorMode() as mode:
        assert is_traced(mode.from_tensor(torch.zeros(2)))
    assert not is_traced(torch.zeros(2))
    assert not is_symbolic(2)


def test_results_for_fake_tensors_are_not_cached_for_real_ones():
    lengths = (3, 37)  # each uses another formulation, with shapes that no other test uses
    with FakeTensorMode():
        for length in lengths:
            out = mellin_linear_correlate_2d(
                torch.ones(1, 2, 23, 31), torch.ones(3, 2, 5, 9), padding=4, output_length=length
            )
            assert out.shape == (1, 3, length, 31)
            assert (
                mellin_correlate_1d(torch.ones(1, 2, 23), torch.ones(3, 2, 5), output_length=length).shape[2] == length
            )
    for length in lengths:
        out = mellin_linear_correlate_2d(
            torch.ones(1, 2, 23, 31), torch.ones(3, 2, 5, 9), padding=4, output_length=length
        )
        assert abs(float(out[0, 0, 0, 15]) - 90) < 1e-4  # 2 channels, 5 frames, 9 coefficients
