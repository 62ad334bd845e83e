"""Device to compute on, checked on this machine."""

from __future__ import annotations

import torch

from cnn_mellin.errors import SettingsError
from cnn_mellin.nearest import close_name

__all__ = ["usable_device"]

_COMMON = ("cpu", "cuda", "mps", "xpu")
_OTHER_NAMES = {"gpu": "cuda", "nvidia": "cuda"}  # what people call it


def usable_device(device: str | torch.device) -> torch.device:
    """Device of a name such as `cpu` or `cuda:1`, after a tensor has been allocated on it.

    Raises:
        SettingsError: the device does not exist, or cannot be used on this machine.

    >>> usable_device("cpu")
    device(type='cpu')
    """
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        kind, colon, number = str(device).partition(":")
        near = _OTHER_NAMES.get(kind.lower()) or close_name(kind, _COMMON)
        if near is not None and near != kind:
            raise SettingsError(f"device {device}: unknown; did you mean {near}{colon}{number}?") from None
        raise SettingsError(f"device {device}: cannot be used here ({reason}); try device=cpu") from None
    return found
