import pytest
import torch

from cnn_mellin.tensor_kind import require_floating, require_tensor, require_whole_numbers


def test_right_kinds_pass():
    require_floating("features", torch.zeros(1).half())
    require_floating("signal", torch.zeros(1, dtype=torch.complex64), also_complex=True)
    require_whole_numbers("lengths", torch.zeros(1, dtype=torch.uint8))


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64], ids=str)
def test_what_is_not_floating_point_is_named(dtype):
    with pytest.raises(
        ValueError, match=f"features has dtype {dtype}; it must be floating-point: convert it with feat"
    ):
        require_floating("features", torch.zeros(1, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bool, torch.complex64], ids=str)
def test_what_are_no_whole_numbers_is_named(dtype):
    with pytest.raises(ValueError, match=f"lengths has dtype {dtype}; it must be of whole numbers: convert it"):
        require_whole_numbers("lengths", torch.zeros(1, dtype=dtype))


@pytest.mark.parametrize("require", [require_floating, require_tensor, require_whole_numbers])
def test_what_is_no_tensor_is_named(require):
    with pytest.raises(ValueError, match="lengths is a list; it must be a tensor: convert it with torch.as_tensor"):
        require("lengths", [1])
