import pytest
import torch

from cnn_mellin.ops.channel_order import channels_first, channels_last, is_channels_last, transposed


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 5), (2, 5, 1), (3, 17, 33), (1, 64, 100), (5, 3, 2)])
def test_transposed_equals_torchs_transpose(shape, dtype):
    matrices = torch.arange(torch.Size(shape).numel()).view(shape).to(dtype)
    found = transposed(matrices)
    assert found.is_contiguous()
    assert torch.equal(found, matrices.transpose(1, 2))


def test_channels_last_and_back_from_any_memory_order():
    signal = torch.randn(2, 3, 4, 5)
    for stored in (signal, signal.contiguous(memory_format=torch.channels_last), signal.mT.contiguous().mT):
        rows = channels_last(stored)
        assert rows.is_contiguous()
        assert torch.equal(rows, signal.permute(0, 2, 3, 1))
        assert torch.equal(channels_first(rows), signal)


def test_one_channel_is_not_channels_last():
    assert not is_channels_last(torch.zeros(2, 1, 4, 5))
    assert is_channels_last(torch.zeros(2, 2, 4, 5).contiguous(memory_format=torch.channels_last))
