import pytest
import torch

from cnn_mellin.layers import LogCompression


def test_value_and_sign():
    layer = LogCompression()
    torch.nn.init.constant_(layer.log_eps, -1.5)
    signal = torch.tensor([-3.0, 0.0, 2.0], dtype=torch.float64)
    expected = (torch.tensor(-1.5, dtype=torch.float64).exp() + signal.abs()).log()
    assert torch.allclose(layer.double()(signal), expected, atol=1e-12)


def test_log_eps_is_learnt_and_starts_from_a_normal_draw():
    draws = torch.stack([LogCompression().log_eps.detach() for _ in range(400)])
    assert abs(float(draws.mean())) < 0.2
    assert 0.85 < float(draws.std()) < 1.15
    layer = LogCompression().double()
    signal = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda signal, eps: (eps.exp() + signal.abs()).log(), (signal, layer.log_eps))
    layer(signal).sum().backward()
    assert layer.log_eps.grad is not None


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.bool], ids=str)
def test_signals_of_whole_numbers_are_refused(dtype):
    with pytest.raises(ValueError, match=f"signal has dtype {dtype}; it must be floating-point or complex"):
        LogCompression()(torch.ones(3, dtype=dtype))


def test_device_and_dtype_are_those_of_the_parameter():
    layer = LogCompression(device="meta", dtype=torch.float64)
    assert (layer.log_eps.device.type, layer.log_eps.dtype) == ("meta", torch.float64)


def test_a_scalar_of_the_earlier_program_is_read():
    layer = LogCompression()
    layer.load_state_dict({"log_eps": torch.tensor(-0.5)})
    assert layer.log_eps.tolist() == [-0.5]
