"""Transfer of several tensors to a device at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["move_together"]

# Every tensor begins at a multiple of this many bytes, as torch's own allocations do on CUDA at least.
_ALIGNMENT = 256


def move_together(tensors: Sequence[torch.Tensor], device: torch.device) -> list[torch.Tensor]:
    """Copy tensors from the CPU to a device in one transfer, for which the CPU does not wait on CUDA.

    They are packed into one block of memory, pinned for CUDA, of which the results are views. Tensors that are on the
    device already, such as features that were computed there, are returned themselves; on the CPU, all are.

    Args:
        tensors: tensors on the CPU or the device, of any shapes and dtypes.
        device: device to copy to.

    >>> move_together([torch.ones(2), torch.zeros(3, dtype=torch.int64)], torch.device("cpu"))
    [tensor([1., 1.]), tensor([0, 0, 0])]
    """
    if device.type == "cpu":
        return list(tensors)
    sent = [tensor for tensor in tensors if tensor.device.type == "cpu"]
    places, size = [], 0
    for tensor in sent:
        places.append(slice(size, size + tensor.nbytes))
        size += -(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT
    pinned = device.type == "cuda"
    packed = torch.empty(size, dtype=torch.uint8, pin_memory=pinned)
    for tensor, place in zip(sent, places, strict=True):
        packed[place].view(tensor.dtype).view(tensor.shape).copy_(tensor)
    moved = packed.to(device, non_blocking=pinned)  # torch keeps pinned memory until it has been read, not any other
    views = (moved[place].view(tensor.dtype).view(tensor.shape) for tensor, place in zip(sent, places, strict=True))
    return [next(views) if tensor.device.type == "cpu" else tensor for tensor in tensors]
