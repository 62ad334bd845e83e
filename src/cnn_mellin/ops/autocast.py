"""The dtype in which tensors are computed under torch.autocast."""

from __future__ import annotations

import torch

__all__ = ["autocast_type"]


def autocast_type(tensor: torch.Tensor) -> torch.dtype:
    """Dtype in which a tensor is correlated, as torch's convolutions choose it.

    Under autocast, floating-point tensors of its device get its dtype, except those of double precision.

    >>> with torch.autocast("cpu", torch.bfloat16):
    ...     [autocast_type(torch.zeros(1, dtype=dtype)) for dtype in (torch.float32, torch.float64, torch.int64)]
    [torch.bfloat16, torch.float64, torch.int64]
    """
    device = tensor.device.type
    if device == "meta" or not torch.is_autocast_enabled(device):  # autocast does not apply to meta tensors
        return tensor.dtype
    if tensor.dtype == torch.float64 or not tensor.is_floating_point():
        return tensor.dtype
    return torch.get_autocast_dtype(device)
