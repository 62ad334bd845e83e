"""Checks for programs that are being traced instead of run; all use of torch's private modules for it is here."""

from __future__ import annotations

from typing import Any

import torch
from torch._C._functorch import is_batchedtensor
from torch._subclasses.fake_tensor import FakeTensor

__all__ = ["is_readable", "is_symbolic", "is_traced"]


def is_traced(tensor: torch.Tensor) -> bool:
    """Check whether operations are traced (torch.compile, torch.export, torch.jit) or the tensor has no values (fake).

    >>> is_traced(torch.zeros(1))
    False
    """
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or isinstance(tensor, FakeTensor)


def is_readable(tensor: torch.Tensor) -> bool:
    """Check whether the values of a tensor can be read on the spot, outside tracing and transforms such as vmap.

    >>> is_readable(torch.zeros(1)), is_readable(torch.zeros(1, device="meta"))
    (True, False)
    """
    return tensor.device.type == "cpu" and not is_traced(tensor) and not is_batchedtensor(tensor)


def is_symbolic(size: Any) -> bool:
    """Check whether a size of a traced tensor is a symbol for any size.

    >>> is_symbolic(3)
    False
    """
    if type(size) is int and not torch.compiler.is_compiling():
        return False
    # Expensive import, already paid for by any program that traces.
    from torch.fx.experimental.symbolic_shapes import has_static_value

    return not has_static_value(size)
