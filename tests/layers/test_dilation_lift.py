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
