import pytest
import torch

from cnn_mellin.layers import DilationLift


def test_sample_t_is_multiplied_by_its_power():
    layer = DilationLift(dim=2).double()
    torch.nn.init.constant_(layer.log_tau, 0.3)
    signal = torch.randn(2, 1, 5, 3, dtype=torch.float64)
    lifted = layer(signal)
    for t in range(5):
        factor = (t + 1) ** torch.tensor(0.3).double().exp()
        assert torch.allclose(lifted[:, :, t], factor * signal[:, :, t])


def test_log_tau_is_learnt():
    layer = DilationLift(dim=0)
    layer(torch.ones(4)).sum().backward()
    assert layer.log_tau.grad is not None
    assert float(layer.log_tau.grad) > 0


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool], ids=str)
def test_signals_of_whole_numbers_are_refused(dtype):
    with pytest.raises(ValueError, match=f"signal has dtype {dtype}; it must be floating-point or complex"):
        DilationLift(dim=0)(torch.ones(3, dtype=dtype))


def test_wrong_axes_are_named():
    with pytest.raises(ValueError, match=r"dim is 1.0; it must be a whole number"):
        DilationLift(dim=1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="signal has 1 axes, but dim, the time axis, is 2; it must be one of them"):
        DilationLift(dim=2)(torch.ones(3))
    assert DilationLift(dim=-1)(torch.ones(2, 3)).shape == (2, 3)


def test_device_and_dtype_are_those_of_the_parameter():
    layer = DilationLift(1, device="meta", dtype=torch.float64)
    assert (layer.log_tau.device.type, layer.log_tau.dtype) == ("meta", torch.float64)


def test_a_scalar_of_the_earlier_program_is_read_with_a_warning():
    layer = DilationLift(1)
    model = torch.nn.Sequential(layer)
    with pytest.warns(UserWarning, match="0.log_tau is a scalar, so that this lift was trained along frequency"):
        model.load_state_dict({"0.log_tau": torch.tensor(0.25)})
    assert layer.log_tau.tolist() == [0.25]
