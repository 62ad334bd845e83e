"""Processes that train a model together: what they tell each other, and how they fail together.

Every process makes the same calls in the same order. A function that fails in one process ends the call in all of
them; a process that has died ends it with a ProcessLostError. Control messages go through gloo on the CPU, so that no
process waits for its accelerator; gradients on GPUs go through NCCL. As gloo does not notice every death, a process
that waits for it also looks at its lifeline: process 0 is connected with each other process, and ends when one of them
has died, which tells the rest.
"""

from __future__ import annotations

import contextlib
import ctypes
import datetime
import os
import pickle
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed

from cnn_mellin.errors import OtherProcessError, ProcessLostError, UserError
from cnn_mellin.launched_process import LaunchedProcess, launched_process
from cnn_mellin.training.lifeline import Lifeline, LifelineListener, reach_listener

__all__ = ["ProcessGroup", "first_to_complain", "process_group"]

T = TypeVar("T")

# A process may wait for another to read a partition, to evaluate, or to get the lock of a model folder. The death of a
# process is noticed by its closed connections: by gloo at once, or by a look at the lifeline.
_PATIENCE = datetime.timedelta(days=30)
_GLANCE = datetime.timedelta(seconds=1)
_LOST = "another process of this training has ended; run the same command again to resume"


class ProcessGroup:
    """Processes that train together; by default this one by itself.

    Args:
        place: place of this process among them; `torch.distributed` must be initialised if there are several.
        lifeline: shows that another process has died; None for one process.

    Attributes:
        rank: number of this process, from 0.
        size: number of processes.
        stopping: True once the processes have agreed to stop.
    """

    def __init__(self, place: LaunchedProcess | None = None, lifeline: Lifeline | None = None) -> None:
        place = place or LaunchedProcess()
        self._lifeline = lifeline or Lifeline([])
        self.rank, self.size, self._local_rank = place.rank, place.size, place.local_rank
        self.stopping = False
        self._parent = os.getppid()
        self._accelerators: torch.distributed.ProcessGroup | None = None

    @property
    def is_first(self) -> bool:
        """True in process 0, which writes files and talks to the user."""
        return self.rank == 0

    def lost_launcher(self) -> bool:
        """Check whether the launcher of several processes has died, which then must not go on unseen."""
        return self.size > 1 and os.getppid() != self._parent

    def own_device(self, device: torch.device | str) -> torch.device | str:
        """Device of this process: of `cuda`, each process of a machine takes the GPU with its local number.

        >>> ProcessGroup(LaunchedProcess(rank=1, size=2, local_rank=1)).own_device("cuda")
        'cuda:1'
        """
        return f"cuda:{self._local_rank}" if self.size > 1 and str(device) == "cuda" else device

    def together(self, function: Callable[[], T]) -> T:
        """Call a function in every process; if it fails in one, all of them raise.

        Args:
            function: function of no arguments, which must not use this group.

        Raises:
            OtherProcessError: it failed in another process.
        """
        if self.size == 1:
            return function()
        try:
            result = function()
        except ProcessLostError:
            raise
        except Exception as error:
            self.raise_together(error)
            raise
        self.raise_together(None)
        return result

    def raise_together(self, failure: Exception | None) -> None:
        """Raise if any process calls this with an error: that error itself, or elsewhere an OtherProcessError."""
        failures = [text for text in self.gather(_description(failure)) if text is not None]
        if failure is not None:
            raise failure
        _raise_other(failures[0] if failures else None)

    def on_first(self, function: Callable[[], T]) -> T:
        """Call a function in process 0 only, and return its result in every process.

        Args:
            function: function of no arguments, which must not use this group; its result can be pickled.

        Raises:
            OtherProcessError: it failed in process 0, which raises its error.
        """
        if self.size == 1:
            return function()
        if not self.is_first:
            failure, value = self._broadcast(None)
            _raise_other(failure)
            result: T = value
            return result
        try:
            result = function()
        except Exception as error:
            self._broadcast((_description(error), None))
            raise
        self._broadcast((None, result))
        return result

    def gather(self, value: T) -> list[T]:
        """The values of all processes, in every process."""
        if self.size == 1:
            return [value]
        mine = _as_bytes(value)
        lengths = [length for (length,) in self.exchange([len(mine)])]
        padded = torch.zeros(max(lengths), dtype=torch.uint8)
        padded[: len(mine)] = mine
        everyone = [torch.empty_like(padded) for _ in range(self.size)]
        self._finish(torch.distributed.all_gather, everyone, padded)
        return [_from_bytes(row[:length]) for row, length in zip(everyone, lengths, strict=True)]

    def exchange(self, numbers: Sequence[int]) -> list[list[int]]:
        """Whole numbers of all processes, in every process: a faster `gather` of as many numbers from each."""
        if self.size == 1:
            return [list(numbers)]
        mine = torch.tensor(numbers, dtype=torch.int64)
        everyone = [torch.empty_like(mine) for _ in range(self.size)]
        self._finish(torch.distributed.all_gather, everyone, mine)
        return [row.tolist() for row in everyone]

    def sum(self, values: torch.Tensor) -> None:
        """Replace values, on any device, by their sums over all processes."""
        if self.size == 1:
            return
        if self._accelerators is not None:
            with _noticing_loss():
                torch.distributed.all_reduce(values, group=self._accelerators)
        elif values.device.type == "cpu":
            self._finish(torch.distributed.all_reduce, values)
        else:
            on_cpu = values.cpu()
            self._finish(torch.distributed.all_reduce, on_cpu)
            values.copy_(on_cpu)

    def connect(self, device: torch.device) -> None:
        """Prepare sums on the device of each process; NCCL is used if each has a GPU of its own."""
        if self.size == 1 or self._accelerators is not None or device.type != "cuda":
            return
        index = torch.cuda.current_device() if device.index is None else device.index
        places = self.gather((socket.gethostname(), index))
        if len(set(places)) == self.size and torch.distributed.is_nccl_available():
            torch.cuda.set_device(device)
            with _noticing_loss():
                self._accelerators = torch.distributed.new_group(backend="nccl")

    def _broadcast(self, value: tuple[Any, Any] | None) -> tuple[Any, Any]:
        """The value of process 0, in every process."""
        data = _as_bytes(value)
        length = torch.tensor([len(data)])
        self._finish(torch.distributed.broadcast, length, src=0)
        if not self.is_first:
            data = torch.empty(int(length), dtype=torch.uint8)
        self._finish(torch.distributed.broadcast, data, src=0)
        found: tuple[Any, Any] = _from_bytes(data)
        return found

    def _finish(self, operation: Callable[..., torch.distributed.Work], *tensors: Any, **options: Any) -> None:
        """Run an operation of gloo, and wait until it has ended in this process or another process has died."""
        with _noticing_loss():
            work, is_cut = operation(*tensors, **options, async_op=True), False
            while not _has_ended(work):
                if is_cut:
                    raise ProcessLostError(_LOST)
                is_cut = self._lifeline.is_cut()  # what has been sent before may still arrive


@contextlib.contextmanager
def process_group() -> Iterator[ProcessGroup]:
    """Connect this process with those that the launcher has started with it, if any, within a block.

    Raises:
        SettingsError: the launcher's environment variables are not valid.
        ProcessLostError: the other processes cannot be reached.
    """
    place = launched_process()
    if place.size == 1:
        yield ProcessGroup()
        return
    with _noticing_loss("the processes of this training cannot reach each other"):
        if _launcher_has_store():
            store = _launcher_store(datetime.timedelta(minutes=5))
            torch.distributed.init_process_group(
                "gloo", store=store, rank=place.rank, world_size=place.size, timeout=_PATIENCE
            )
        else:
            torch.distributed.init_process_group("gloo", timeout=_PATIENCE)
        lifeline = _connect_lifeline(place)
    try:
        yield ProcessGroup(place, lifeline)
    except BaseException:
        _leave_open()
        raise
    torch.distributed.destroy_process_group()
    lifeline.close()


def first_to_complain() -> bool:
    """Check whether no other process has claimed to say what is wrong; true without the launcher's own store."""
    if launched_process().size == 1 or not _launcher_has_store():
        return True
    try:
        first: bool = _launcher_store(datetime.timedelta(seconds=5)).add("complaints", 1) == 1
    except RuntimeError:  # the launcher is gone
        return launched_process().rank == 0
    return first


def _connect_lifeline(place: LaunchedProcess) -> Lifeline:
    """Connect process 0 with each other process."""
    if place.rank == 0:
        listener = LifelineListener(place.size - 1)
        torch.distributed.broadcast_object_list([listener.port, listener.token], src=0)
        return listener.wait()
    where: list[Any] = [None, None]
    torch.distributed.broadcast_object_list(where, src=0)
    return reach_listener(os.environ["MASTER_ADDR"], *where)


def _leave_open() -> None:
    """Keep the connections until this process has ended, without waiting then for operations that never end.

    The destructor of the group would wait for them; a reference that nobody drops keeps it from running.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(torch.distributed.group.WORLD))


def _launcher_has_store() -> bool:
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def _launcher_store(timeout: datetime.timedelta) -> torch.distributed.Store:
    """The launcher's store of keys and values; each start of the processes has its own part of it."""
    store = torch.distributed.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), timeout=timeout)
    start = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return torch.distributed.PrefixStore(f"cnn_mellin/{start}", store)


@contextlib.contextmanager
def _noticing_loss(what: str | None = None) -> Iterator[None]:
    """Turn the error of a broken connection within the block into a ProcessLostError."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        if what is None:
            raise ProcessLostError(_LOST) from error
        raise ProcessLostError(f"{what} ({str(error).strip().splitlines()[0][:160]})") from error


def _has_ended(work: torch.distributed.Work) -> bool:
    """Wait a moment for an operation, which may fail; true if it has ended."""
    try:
        work.wait(_GLANCE)
    except RuntimeError:
        if not work.is_completed():
            return False
        work.wait()  # raises the operation's own error, if it has one
    return True


def _as_bytes(value: object) -> torch.Tensor:
    return torch.frombuffer(bytearray(pickle.dumps(value)), dtype=torch.uint8)


def _from_bytes(data: torch.Tensor) -> Any:
    return pickle.loads(data.numpy().tobytes())


def _description(error: Exception | None) -> tuple[str, bool] | None:
    """Text of an error, and whether it is a UserError: what other processes need to know."""
    if error is None:
        return None
    if isinstance(error, UserError):
        return str(error), True
    return f"{type(error).__name__}: {error}", False


def _raise_other(failure: tuple[str, bool] | None) -> None:
    if failure is not None:
        raise OtherProcessError(failure[0], is_user_error=failure[1])
