import pytest
import torch

from cnn_mellin.tensor_kind import require_floating, require_tensor, require_whole_numbers


def test_tensors_of_the_right_kind_pass():
    require_floating("features", torch.zeros(1).half())
    require_floating("signal", torch.zeros(1, dtype=torch.complex64), also_complex=True)
    require_whole_numbers("lengths", torch.zeros(1, dtype=torch.uint8))


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64], ids=str)
def test_the_error_names_the_argument_that_is_not_floating_point(dtype):
    with pytest.raises(
        ValueError, match=f"features has dtype {dtype}; it must be floating-point: convert it with feat"
    ):
        require_floating("features", torch.zeros(1, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bool, torch.complex64], ids=str)
def test_the_error_names_the_argument_that_does_not_hold_integers(dtype):
    with pytest.raises(ValueError, match=f"lengths has dtype {dtype}; it must hold integers: convert it"):
        require_whole_numbers("lengths", torch.zeros(1, dtype=dtype))


@pytest.mark.parametrize("require", [require_floating, require_tensor, require_whole_numbers])
def test_the_error_names_the_argument_that_is_not_a_tensor(require):
    with pytest.raises(ValueError, match="lengths is a list; it must be a tensor: convert it with torch.as_tensor"):
        require("lengths", [1])
