import torch

from cnn_mellin.joint_transfer import move_together


def tensors() -> list[torch.Tensor]:
    return [
        torch.arange(15.0).view(3, 5),
        torch.tensor([True, False, True]),
        torch.zeros(0, 2, dtype=torch.int64),
        torch.tensor(7, dtype=torch.int64),
        torch.arange(12.0, dtype=torch.float64).view(3, 4).t(),
    ]


def test_shapes_dtypes_and_values_arrive(device):
    for sent, found in zip(tensors(), move_together(tensors(), torch.device(device)), strict=True):
        assert (found.shape, found.dtype, found.device.type) == (sent.shape, sent.dtype, device)
        assert torch.equal(found.cpu(), sent)


def test_all_go_in_one_copy(pretend):
    with pretend.counting() as counts:
        move_together(tensors(), torch.device("pretend"))
    assert len(counts.to_device) == 1
