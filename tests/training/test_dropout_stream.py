import torch

from cnn_mellin.training.dropout_stream import dropout_stream


def test_resumes_from_a_state_and_restores_the_global_stream(device):
    device = torch.device(device)
    before = torch.get_rng_state()
    with dropout_stream(device, 5) as state:
        torch.rand(3, device=device)
        middle = state()
        expected = torch.rand(4, device=device)
    with dropout_stream(device, 5, middle):
        assert torch.equal(torch.rand(4, device=device), expected)
    with dropout_stream(device, 6):
        assert not torch.equal(torch.rand(4, device=device), expected)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_state_of_the_cpu_serves_every_device(device):
    with dropout_stream(torch.device("cpu"), 5) as state:
        middle = state()
        expected = torch.rand(3)
    with dropout_stream(torch.device(device), 5, middle):
        assert torch.equal(torch.rand(3), expected)
        torch.rand(3, device=device)
