"""A device of its own, `pretend`, that computes on the CPU and refuses what an accelerator refuses.

Tensors on it wrap tensors of the CPU. An operation that mixes the two raises an error, as on CUDA, except for tensors
of no dimension, copies, and the lengths of CTC. Recurrent layers of gated cells are computed cell by cell. Everything
that reaches the device is counted (`counting`): operations, copies to it and from it, and reads that wait for it.

`activate` uses private parts of torch, which versions before 2.13 may lack: then it raises `UnsupportedError`. It
cannot be undone: call it in a process of tests only.
"""

from __future__ import annotations

import functools
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_map

__all__ = ["Counts", "UnsupportedError", "activate", "counting"]

NAME = "pretend"

# What launches nothing on a device: views, allocations, and bookkeeping.
_FREE = {
    "_local_scalar_dense",
    "_reshape_alias",
    "_to_copy",
    "_unsafe_view",
    "alias",
    "as_strided",
    "copy_between_devices",
    "detach",
    "empty",
    "empty_like",
    "empty_strided",
    "expand",
    "lift_fresh",
    "new_empty",
    "new_empty_strided",
    "permute",
    "select",
    "set_",
    "slice",
    "split",
    "split_with_sizes",
    "squeeze",
    "squeeze_",
    "t",
    "transpose",
    "unbind",
    "unfold",
    "unsqueeze",
    "unsqueeze_",
    "view",
}
# Operations that launch several others on an accelerator.
_LAUNCHES = {"constant_pad_nd": 2}
# Operations whose result the CPU needs before it can go on.
_WAITING = {"_local_scalar_dense", "equal", "masked_select", "nonzero", "repeat_interleave.Tensor", "_unique2"}


class UnsupportedError(Exception):
    """This version of torch has no device that is written in Python."""


@dataclass
class Counts:
    """What reached the device.

    Args:
        operations: number of calls of each operation, views and allocations left out.
        to_device, to_host: shapes of the tensors that were copied to the device and from it.
        waits: number of calls of each operation whose result the CPU waited for; copies to the host not counted.
    """

    operations: Counter[str] = field(default_factory=Counter)
    to_device: list[tuple[int, ...]] = field(default_factory=list)
    to_host: list[tuple[int, ...]] = field(default_factory=list)
    waits: Counter[str] = field(default_factory=Counter)

    @property
    def launches(self) -> int:
        """Number of operations."""
        return self.operations.total()


_open_counts: list[Counts] = []


@contextmanager
def counting() -> Iterator[Counts]:
    """Count what reaches the device within a block."""
    counts = Counts()
    _open_counts.append(counts)
    try:
        yield counts
    finally:
        _open_counts.remove(counts)


class _Memory:
    """Bytes in the storages of the device's tensors."""

    def __init__(self) -> None:
        self.now = self.peak = 0
        self._owners: Counter[int] = Counter()

    def hold(self, tensor: torch.Tensor, wrapper: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if not self._owners[key]:
            self.now += size
            self.peak = max(self.peak, self.now)
        self._owners[key] += 1
        weakref.finalize(wrapper, self._release, key, size)

    def _release(self, key: int, size: int) -> None:
        self._owners[key] -= 1
        if not self._owners[key]:
            del self._owners[key]
            self.now -= size


_memory = _Memory()


class _Backend:
    """What torch asks of a device's module, `torch.pretend`."""

    def is_initialized(self) -> bool:
        return True

    def is_available(self) -> bool:
        return True

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return 1

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        """Do nothing: random numbers come from the CPU's generator."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16, torch.bfloat16]

    def synchronize(self, device: Any = None) -> None:
        pass

    def empty_cache(self) -> None:
        pass

    def memory_allocated(self, device: Any = None) -> int:
        return _memory.now

    def max_memory_allocated(self, device: Any = None) -> int:
        return _memory.peak

    def reset_peak_memory_stats(self, device: Any = None) -> None:
        _memory.peak = _memory.now


class _OnDevice(torch.Tensor):
    raw: torch.Tensor

    @staticmethod
    def __new__(cls, raw: torch.Tensor, requires_grad: bool = False) -> _OnDevice:
        with torch.inference_mode(False):  # whose tensors could not be views of others
            made: _OnDevice = torch.Tensor._make_wrapper_subclass(
                cls,
                raw.size(),
                strides=raw.stride(),
                storage_offset=raw.storage_offset(),
                dtype=raw.dtype,
                layout=raw.layout,
                requires_grad=requires_grad,
                device=torch.device(NAME, 0),
            )
        made.raw = raw
        _memory.hold(raw, made)
        return made

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Save a copy of the CPU, which torch.load gives with `map_location="cpu"`."""
        return self.cpu().detach().__reduce_ex__(protocol)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if torch.is_inference_mode_enabled():  # operations that consist of others come here whole
            composed = operation.decompose(*args, **(kwargs or {}))
            if composed is not NotImplemented:
                return composed
        return _run(operation, *args, **(kwargs or {}))


def _raw(value: Any) -> Any:
    return value.raw if isinstance(value, _OnDevice) else value


def _wrapped(value: Any) -> Any:
    return _OnDevice(value) if isinstance(value, torch.Tensor) else value


def _refuse_mixture(name: str, values: Any) -> None:
    tensors = [value for value in values if isinstance(value, torch.Tensor)]
    elsewhere = [tuple(value.shape) for value in tensors if not isinstance(value, _OnDevice) and value.dim()]
    if elsewhere and len(elsewhere) < len(tensors):
        raise RuntimeError(
            f"{name}: expected all tensors to be on the same device, but some are on the CPU: {elsewhere}"
        )


def _count(name: str, overload: str) -> None:
    for counts in _open_counts:
        if name not in _FREE:
            counts.operations[name] += _LAUNCHES.get(name, 1)
        if name in _WAITING or f"{name}.{overload}" in _WAITING:
            counts.waits[name] += 1


def _count_copy(tensor: torch.Tensor, to_device: bool) -> None:
    for counts in _open_counts:
        (counts.to_device if to_device else counts.to_host).append(tuple(tensor.shape))


def _run(operation: Any, *args: Any, **kwargs: Any) -> Any:
    """Compute an operation on the CPU and wrap its results."""
    name = operation._schema.name.removeprefix("aten::")
    if name in _CELLS:
        return _CELLS[name](*args)
    values, _ = tree_flatten((args, kwargs))
    here = [value for value in values if isinstance(value, _OnDevice)]
    device = kwargs.get("device")
    type_ = None if device is None else torch.device(device).type
    if name in ("copy_", "_copy_from", "_copy_from_and_resize", "_to_copy"):
        tensors = [value for value in values if isinstance(value, torch.Tensor)]
        source = tensors[0] if name != "copy_" else tensors[1]
        if name == "_to_copy":
            to_device = type_ == NAME if type_ is not None else isinstance(source, _OnDevice)
        else:
            to_device = isinstance(tensors[0 if name == "copy_" else 1], _OnDevice)
        if isinstance(source, _OnDevice) is to_device:
            _count("copy", "")
        else:
            _count_copy(source, to_device)
    else:
        if name not in ("_ctc_loss", "_ctc_loss_backward"):
            _refuse_mixture(name, values)
        _count(name, operation._overloadname)

    def unwrapped(value: Any) -> Any:
        if isinstance(value, torch.device) and value.type == NAME:
            return torch.device("cpu")
        return _raw(value)

    out = operation(*tree_map(unwrapped, args), **tree_map(unwrapped, kwargs))
    if type_ == "cpu" or not (here or type_ == NAME):
        return out
    known = {id(value.raw): value for value in here}  # an operation in place returns its argument
    return tree_map(lambda value: known.get(id(value)) if id(value) in known else _wrapped(value), out)


def _gru_cell(inputs: Any, hiddens: Any, hidden: Any, input_bias: Any, hidden_bias: Any) -> Any:
    """A cell of a gated recurrent unit, and what its backward needs: reset, update, candidate, hidden and its part."""
    _refuse_mixture("_thnn_fused_gru_cell", (inputs, hiddens, hidden, input_bias, hidden_bias))
    _count("_thnn_fused_gru_cell", "")
    from_input, from_hidden, before = _raw(inputs), _raw(hiddens), _raw(hidden)
    if input_bias is not None:
        from_input, from_hidden = from_input + _raw(input_bias), from_hidden + _raw(hidden_bias)
    (r_in, z_in, n_in), (r_hid, z_hid, n_hid) = from_input.chunk(3, 1), from_hidden.chunk(3, 1)
    reset, update = (r_in + r_hid).sigmoid(), (z_in + z_hid).sigmoid()
    candidate = (n_in + reset * n_hid).tanh()
    after = candidate + update * (before - candidate)
    return _OnDevice(after), _OnDevice(torch.cat([reset, update, candidate, before, n_hid], 1))


def _gru_cell_backward(grad_hidden: Any, workspace: Any, has_bias: bool) -> Any:
    _count("_thnn_fused_gru_cell_backward", "")
    grad = _raw(grad_hidden)
    reset, update, candidate, before, n_hid = _raw(workspace).chunk(5, 1)
    grad_candidate = grad * (1 - update) * (1 - candidate * candidate)
    grad_update = grad * (before - candidate) * update * (1 - update)
    grad_reset = grad_candidate * n_hid * reset * (1 - reset)
    inputs = torch.cat([grad_reset, grad_update, grad_candidate], 1)
    hiddens = torch.cat([grad_reset, grad_update, grad_candidate * reset], 1)
    biases = (inputs.sum(0), hiddens.sum(0)) if has_bias else (None, None)
    return tree_map(_wrapped, (inputs, hiddens, grad * update, *biases))


def _lstm_cell(inputs: Any, hiddens: Any, cell: Any, input_bias: Any, hidden_bias: Any) -> Any:
    """A cell of long short-term memory, and the values of its four gates for backward."""
    _refuse_mixture("_thnn_fused_lstm_cell", (inputs, hiddens, cell, input_bias, hidden_bias))
    _count("_thnn_fused_lstm_cell", "")
    gates = _raw(inputs) + _raw(hiddens)
    if input_bias is not None:
        gates = gates + _raw(input_bias) + _raw(hidden_bias)
    i, f, g, o = gates.chunk(4, 1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    after = f * _raw(cell) + i * g
    return _OnDevice(o * after.tanh()), _OnDevice(after), _OnDevice(torch.cat([i, f, g, o], 1))


def _lstm_cell_backward(grad_hidden: Any, grad_cell: Any, cell: Any, after: Any, workspace: Any, has_bias: bool) -> Any:
    _count("_thnn_fused_lstm_cell_backward_impl", "")
    i, f, g, o = _raw(workspace).chunk(4, 1)
    squashed = _raw(after).tanh()
    grad_h = torch.zeros_like(squashed) if grad_hidden is None else _raw(grad_hidden)
    grad_c = grad_h * o * (1 - squashed * squashed) + (0 if grad_cell is None else _raw(grad_cell))
    gates = torch.cat(
        [
            grad_c * g * i * (1 - i),
            grad_c * _raw(cell) * f * (1 - f),
            grad_c * i * (1 - g * g),
            grad_h * squashed * o * (1 - o),
        ],
        1,
    )
    return tree_map(_wrapped, (gates, grad_c * f, gates.sum(0) if has_bias else None))


# Operations that autocast computes in its own dtype; it leaves the others as they are.
_LOWERED = ["conv1d", "conv2d", "linear", "matmul", "mm", "bmm", "addmm"]


def _lowered(name: str) -> Any:
    operation = getattr(torch.ops.aten, name)
    autocast = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)  # type: ignore[attr-defined]

    def call(*args: Any, **kwargs: Any) -> Any:
        dtype = torch.get_autocast_dtype(NAME)

        def cast(value: Any) -> Any:
            return value.to(dtype) if isinstance(value, torch.Tensor) and value.dtype == torch.float32 else value

        with torch._C._ExcludeDispatchKeyGuard(autocast):
            return operation(*map(cast, args), **kwargs)

    return call


# Operations that torch has for other devices only.
_CELLS: dict[str, Callable[..., Any]] = {
    "_thnn_fused_gru_cell": _gru_cell,
    "_thnn_fused_gru_cell_backward": _gru_cell_backward,
    "_thnn_fused_lstm_cell": _lstm_cell,
    "_thnn_fused_lstm_cell_backward_impl": _lstm_cell_backward,
}


@functools.cache
def activate() -> str:
    """Make torch know the device, once per process; return its name.

    Raises:
        UnsupportedError: this version of torch cannot.
    """
    try:
        from torch.utils.backend_registration import _setup_privateuseone_for_python_backend as set_up
    except ImportError:
        raise UnsupportedError(f"torch {torch.__version__} has no devices in Python; 2.13 has") from None
    try:
        set_up(NAME, backend_module=_Backend())
    except (AttributeError, RuntimeError, TypeError) as error:
        raise UnsupportedError(f"torch {torch.__version__} cannot make the device: {error}") from None
    fallback = torch.library.Library("_", "IMPL")
    fallback.fallback(_run, "PrivateUse1")
    own = torch.library.Library("_", "IMPL")
    own.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    lowered = torch.library.Library("aten", "IMPL")
    for name in _LOWERED:
        lowered.impl(name, _lowered(name), "AutocastPrivateUse1")
    _libraries.extend((fallback, own, lowered))
    # Backward in the calling thread: an error in a device's own thread would end the process.
    torch.autograd.set_multithreading_enabled(False)
    make = torch.tensor

    def tensor(data: Any, *, device: Any = None, requires_grad: bool = False, **options: Any) -> torch.Tensor:
        """torch.tensor, which would build the tensor in the device's memory."""
        if device is None or torch.device(device).type != NAME:
            return make(data, device=device, requires_grad=requires_grad, **options)
        return make(data, **options).to(device).requires_grad_(requires_grad)

    torch.tensor = tensor  # type: ignore[assignment]
    return NAME


_libraries: list[torch.library.Library] = []
