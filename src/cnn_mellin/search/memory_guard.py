"""The peak memory of a training, measured before it begins by one step on its longest batch.

On CUDA and other accelerators the measure is torch's peak of allocated memory. On a CPU it is the process's peak of
resident memory during the step, which Linux resets on request, minus the resident memory before it (after freed memory
is given back to the system). Both include memory that libraries take for themselves.
docs/decisions/0006-memory-guard.md gives the reasons.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cnn_mellin.config.settings import Settings
from cnn_mellin.data.batch import Batch
from cnn_mellin.data.batch_plan import largest_batch
from cnn_mellin.data.utterance_data import UtteranceData
from cnn_mellin.models import AcousticModel
from cnn_mellin.training.epoch import Stepper
from cnn_mellin.training.memory_shortage import TrainingMemoryError, naming_memory_shortage
from cnn_mellin.training.model_folder import new_model
from cnn_mellin.training.optimizer import make_optimizer

__all__ = ["MemoryNeed", "can_measure_memory", "measure_memory_need", "memory_size"]

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# A step predicted to need more than this multiple of the limit is not run; the first step has this proportion of the
# longest utterance.
_SURELY_OVER, _SHORT = 1.3, 0.125
_LARGEST_IN_HEAP = 2**25 - 2**13  # glibc's DEFAULT_MMAP_THRESHOLD_MAX, less what it adds to a block


@dataclass(frozen=True)
class MemoryNeed:
    """Peak memory of a training.

    Args:
        num_bytes: peak memory of its largest step, in bytes.
        num_utterances: number of utterances in that step's batch.
        num_frames: number of frames per utterance.
        exactness: "" if measured, "about " if extrapolated from smaller batches, "more than " if the step failed.
    """

    num_bytes: int
    num_utterances: int
    num_frames: int
    exactness: str = ""

    def __str__(self) -> str:
        """The memory and the batch as a user reads them.

        >>> str(MemoryNeed(3 * 2**30, 16, 778))
        '3.00 GiB for a batch of 16 utterances of 778 frames'
        """
        batch = f"a batch of {self.num_utterances} utterances of {self.num_frames} frames"
        return f"{self.exactness}{memory_size(self.num_bytes)} for {batch}"


def memory_size(num_bytes: int) -> str:
    """A number of bytes as a user reads it.

    >>> memory_size(6 * 2**30), memory_size(50 * 2**20)
    ('6.00 GiB', '50 MiB')
    """
    return f"{num_bytes / 2**30:.2f} GiB" if num_bytes >= 2**30 else f"{num_bytes / 2**20:.0f} MiB"


def can_measure_memory(device: torch.device) -> bool:
    """Check whether the memory of a step can be measured on this device and system."""
    return _statistics(device) is not None or (device.type == "cpu" and _RESET.exists())


def _statistics(device: torch.device) -> Any:
    """Module with torch's statistics of the memory of an accelerator, such as torch.cuda; None without any."""
    module = None if device.type == "cpu" else getattr(torch, device.type, None)
    return module if hasattr(module, "max_memory_allocated") else None


def measure_memory_need(
    settings: Settings,
    partition: UtteranceData,
    num_symbols: int,
    device: torch.device | str = "cpu",
    *,
    limit_bytes: int | None = None,
    num_processes: int = 1,
) -> MemoryNeed:
    """Peak memory of a forward pass, a backward pass and an update on a full batch of the longest utterance.

    The step is like the second of a training, when gradients and the optimizer's state exist. With a limit, weights
    are counted before any are allocated, and steps on part of an utterance, one utterance and two utterances precede
    the full batch: a step that would need far more than the limit is not run, so that the system does not kill the
    worker. The states of torch's random number generators do not change.

    Args:
        settings: settings of the training.
        partition: utterances that the training uses; only their lengths are read.
        num_symbols: number of symbols of the corpus.
        device: device of the training.
        limit_bytes: limit with which the result will be compared, in bytes.
        num_processes: number of processes that share each batch; the need is that of the largest share.

    Raises:
        ValueError: memory cannot be measured on this device; ask `can_measure_memory`.
    """
    device = torch.device(device)
    if not can_measure_memory(device):
        raise ValueError(f"device is {device}; memory can be measured on CUDA, and on a CPU under Linux")
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        return _measure(_Step(settings, partition, num_symbols, device, num_processes), limit_bytes)


def _measure(step: _Step, limit_bytes: int | None) -> MemoryNeed:
    full = step.full
    if limit_bytes is not None and step.lasting_bytes > limit_bytes:
        return step.need(step.lasting_bytes, "more than ")
    step.warm_up()  # so that what libraries load at first use does not count
    memory = _Memory(step.device)
    try:
        with naming_memory_shortage("a step"):
            fixed = memory.peak_of(step.build)
            if limit_bytes is None:
                return step.need(memory.peak_of(lambda: step.run(full)))
            over = _SURELY_OVER * limit_bytes
            # Larger and larger steps, as long as the next is not predicted to be far over the limit.
            short = memory.peak_of(lambda: step.run(1, _SHORT))
            if fixed + (short - fixed) / _SHORT > over:
                return step.need(int(fixed + full * (short - fixed) / _SHORT), "about ")
            one = memory.peak_of(lambda: step.run(1))
            if full > 2 and full * one > limit_bytes:
                two = memory.peak_of(lambda: step.run(2))
                about = one + (full - 1) * max(two - one, 0)
                if about > over:
                    return step.need(about, "about ")
            return step.need(memory.peak_of(lambda: step.run(full)))
    except TrainingMemoryError:
        # The step failed above the limit, by an unknown amount.
        return step.need(max(memory.highest, (limit_bytes or 0) + 1), "more than ")
    finally:
        step.clear()
        memory.settle()


class _Step:
    """A training step on any number of utterances that are as long as those of the largest batch."""

    def __init__(
        self,
        settings: Settings,
        partition: UtteranceData,
        num_symbols: int,
        device: torch.device,
        num_processes: int,
    ) -> None:
        self.device = device
        self._settings, self._num_coefficients, self._num_symbols = settings, partition.num_coefficients, num_symbols
        self.full, longest = largest_batch(partition, settings.data, num_processes)
        if partition.num_coefficients > 1:
            longest = round(longest * settings.training.max_tempo_factor)
        self.num_frames = longest + 2 * int(settings.training.max_shift_proportion * longest)
        ends = sum(end is not None for end in (settings.data.sos, settings.data.eos))
        self._num_labels = int(partition.reference_lengths.max()) + ends
        self._stepper: Stepper | None = None

    def need(self, num_bytes: int, exactness: str = "") -> MemoryNeed:
        return MemoryNeed(num_bytes, self.full, self.num_frames, exactness)

    def warm_up(self) -> None:
        """Run a step of a model of the same kind and the smallest size."""
        # Freeing this block makes glibc keep blocks of up to 32 MiB in its heap, as after a training's first step.
        torch.empty(_LARGEST_IN_HEAP, dtype=torch.uint8)
        model = self._settings.model
        least = {
            "convolutional_layers": min(model.convolutional_layers, 1),
            "convolutional_initial_channels": 1,
            "recurrent_layers": min(model.recurrent_layers, 1),
            "recurrent_size": 1,
        }
        stepper = self._new_stepper(self._settings.updated({"model": least}))
        stepper(self._batch(2, min(self.num_frames, 2 * model.window_size)))

    def build(self) -> None:
        """Create the model, and by one small step its gradients and the optimizer's state."""
        self._stepper = self._new_stepper(self._settings)
        self._stepper(self._batch(1, 1))

    @property
    def lasting_bytes(self) -> int:
        """Size of the weights, their gradients and the optimizer's state, which exist from the second step on."""
        with torch.device("meta"):  # allocates no memory
            model = self._new_model(self._settings)
        weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
        return weights * (2 + {"adam": 2, "rms": 1, "sgd": 0}[self._settings.training.optimizer])

    def run(self, num_utterances: int, proportion: float = 1.0) -> None:
        """Run a step on utterances with this proportion of the longest utterance's frames."""
        assert self._stepper is not None
        self._stepper(self._batch(num_utterances, max(1, round(proportion * self.num_frames))))

    def clear(self) -> None:
        """Free the model."""
        self._stepper = None

    def _new_stepper(self, settings: Settings) -> Stepper:
        model = self._new_model(settings).to(self.device)
        return Stepper(model.train(), make_optimizer(model, settings), settings.training)

    def _new_model(self, settings: Settings) -> AcousticModel:
        scale = torch.ones(self._num_coefficients) if settings.data.scale_features else None
        return new_model(settings, self._num_coefficients, self._num_symbols, scale)

    def _batch(self, num_utterances: int, num_frames: int) -> Batch:
        return Batch(
            [str(i) for i in range(num_utterances)],
            torch.rand(num_utterances, num_frames, self._num_coefficients),
            torch.full((num_utterances,), num_frames),
            torch.zeros(num_utterances * self._num_labels, dtype=torch.int64),
            torch.full((num_utterances,), self._num_labels),
        )


class _Memory:
    """The memory of a device that is in use beyond what was in use when this object was created.

    Args:
        device: device to measure.
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self.highest, self._statistics = device, 0, _statistics(device)
        self.settle()
        self._before = self._statistics.memory_allocated(device) if self._statistics else _resident("VmRSS")

    def peak_of(self, call: Callable[[], None]) -> int:
        """Peak number of bytes in use during a call."""
        self.settle()
        if self._statistics:
            self._statistics.reset_peak_memory_stats(self._device)
        else:
            _RESET.write_text("5")  # resets the peak of resident memory
        try:
            call()
        finally:
            peak = self._peak() - self._before
            self.highest = max(self.highest, peak)
        return peak

    def settle(self) -> None:
        """Give freed memory back to the system."""
        gc.collect()
        if self._statistics:
            self._statistics.empty_cache()
        else:
            trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
            if trim is not None:
                trim(0)

    def _peak(self) -> int:
        if self._statistics:
            self._statistics.synchronize(self._device)
            return int(self._statistics.max_memory_allocated(self._device))
        return _resident("VmHWM")


def _resident(name: str) -> int:
    """Number of bytes in the line of this name in /proc/self/status."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"{_STATUS} has no line {name}")
