"""The memory that a training needs, found by one step at its longest batch before the training begins.

On CUDA the figure is torch's own. On a CPU it is the process's: the peak of its resident memory during the step, which
Linux counts anew when asked to, beyond what is resident before (after all that was freed is given back). Both are of
tensors as they lie in memory, with what the libraries take besides. docs/decisions/0006-memory-guard.md says why so.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from cnn_mellin.config.settings import Settings
from cnn_mellin.data.batch import Batch
from cnn_mellin.data.utterance_data import UtteranceData
from cnn_mellin.models import AcousticModel
from cnn_mellin.training.epoch import Stepper
from cnn_mellin.training.memory_shortage import TrainingMemoryError, naming_memory_shortage
from cnn_mellin.training.model_folder import new_model
from cnn_mellin.training.optimizer import make_optimizer

__all__ = ["MemoryNeed", "can_measure_memory", "measure_memory_need", "memory_size"]

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# Steps that would surely take so much of the limit are not tried; the first has such a part of the longest utterance.
_SURELY_OVER, _SHORT = 1.3, 0.125
_LARGEST_IN_HEAP = 2**25 - 2**13  # glibc's DEFAULT_MMAP_THRESHOLD_MAX, less what it adds to a block


@dataclass(frozen=True)
class MemoryNeed:
    """What a training needs.

    Args:
        num_bytes: at the peak of its largest step.
        num_utterances, num_frames: of that step's batch, and of each utterance in it.
        exactness: "" where it was measured, "about " where it was drawn from smaller batches, "more than " where the
            step did not come to its end.
    """

    num_bytes: int
    num_utterances: int
    num_frames: int
    exactness: str = ""

    def __str__(self) -> str:
        """As a user reads it.

        >>> str(MemoryNeed(3 * 2**30, 16, 778))
        '3.00 GiB for a batch of 16 utterances of 778 frames'
        """
        batch = f"a batch of {self.num_utterances} utterances of {self.num_frames} frames"
        return f"{self.exactness}{memory_size(self.num_bytes)} for {batch}"


def memory_size(num_bytes: int) -> str:
    """Bytes as a user reads them.

    >>> memory_size(6 * 2**30), memory_size(50 * 2**20)
    ('6.00 GiB', '50 MiB')
    """
    return f"{num_bytes / 2**30:.2f} GiB" if num_bytes >= 2**30 else f"{num_bytes / 2**20:.0f} MiB"


def can_measure_memory(device: torch.device) -> bool:
    """Whether the memory of a step can be measured on a device of this system."""
    return device.type == "cuda" or (device.type == "cpu" and _RESET.exists())


def measure_memory_need(
    settings: Settings,
    partition: UtteranceData,
    num_symbols: int,
    device: torch.device | str = "cpu",
    *,
    limit_bytes: int | None = None,
) -> MemoryNeed:
    """The peak memory of a forward pass, a backward pass and an update, with a full batch of the longest utterance.

    It is that of a later step of a training, when gradients and the optimizer's state are there. With a limit, weights
    are counted before any are made, and a part of an utterance, one and two utterances come before the full batch: what
    would need far more than the limit is not tried, so that no worker is killed by its system. The states of torch's
    random streams are left as they were.

    Args:
        settings: of the training.
        partition: utterances that it trains on; only their lengths are read.
        num_symbols: of the corpus.
        device: where it computes.
        limit_bytes: that the need is to be compared with.

    Raises:
        ValueError: memory cannot be measured on this device; ask `can_measure_memory`.
    """
    device = torch.device(device)
    if not can_measure_memory(device):
        raise ValueError(f"device is {device}; memory can be measured on CUDA, and on a CPU under Linux")
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):  # whoever trains draws as without us
        return _measure(_Step(settings, partition, num_symbols, device), limit_bytes)


def _measure(step: _Step, limit_bytes: int | None) -> MemoryNeed:
    full = step.full
    if limit_bytes is not None and step.lasting_bytes > limit_bytes:
        return step.need(step.lasting_bytes, "more than ")
    step.warm_up()  # what the libraries load at first use is not the training's
    memory = _Memory(step.device)
    try:
        with naming_memory_shortage("a step"):
            fixed = memory.peak_of(step.build)
            if limit_bytes is None:
                return step.need(memory.peak_of(lambda: step.run(full)))
            over = _SURELY_OVER * limit_bytes
            # Steps grow as long as the next one will not be far over the limit.
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
        # No less than the limit: what could not be had would have gone beyond it, by how much is not known.
        return step.need(max(memory.highest, (limit_bytes or 0) + 1), "more than ")
    finally:
        step.clear()
        memory.settle()


class _Step:
    """A step of a training, of any number of its longest utterances."""

    def __init__(self, settings: Settings, partition: UtteranceData, num_symbols: int, device: torch.device) -> None:
        self.device = device
        self._settings, self._num_coefficients, self._num_symbols = settings, partition.num_coefficients, num_symbols
        longest = int(partition.num_frames.max())
        if partition.num_coefficients > 1:
            longest = round(longest * settings.training.max_tempo_factor)
        self.num_frames = longest + 2 * int(settings.training.max_shift_proportion * longest)
        ends = sum(end is not None for end in (settings.data.sos, settings.data.eos))
        self._num_labels = int(partition.reference_lengths.max()) + ends
        self.full = min(settings.data.batch_size, len(partition))
        self._stepper: Stepper | None = None

    def need(self, num_bytes: int, exactness: str = "") -> MemoryNeed:
        return MemoryNeed(num_bytes, self.full, self.num_frames, exactness)

    def warm_up(self) -> None:
        """Make a step of a model of the same kind and the least size."""
        # Once it was freed, glibc keeps blocks up to 32 MiB in its heap, as it does from a training's second step on.
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
        """Make the model, and its gradients and the optimizer's state: from its second step on, a training has both."""
        self._stepper = self._new_stepper(self._settings)
        self._stepper(self._batch(1, 1))

    @property
    def lasting_bytes(self) -> int:
        """Weights, their gradients and the optimizer's state, which a training has from its second step on."""
        with torch.device("meta"):  # no memory is taken
            model = self._new_model(self._settings)
        weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
        return weights * (2 + {"adam": 2, "rms": 1, "sgd": 0}[self._settings.training.optimizer])

    def run(self, num_utterances: int, part: float = 1.0) -> None:
        """Make a step, of utterances that are so large a part of the longest."""
        assert self._stepper is not None
        self._stepper(self._batch(num_utterances, max(1, round(part * self.num_frames))))

    def clear(self) -> None:
        """Let go of the model."""
        self._stepper = None

    def _new_stepper(self, settings: Settings) -> Stepper:
        model = self._new_model(settings).to(self.device)
        return Stepper(model.train(), make_optimizer(model, settings), settings.training)

    def _new_model(self, settings: Settings) -> AcousticModel:
        scale = torch.ones(self._num_coefficients) if settings.data.scale_features else None
        return new_model(settings, self._num_coefficients, self._num_symbols, scale)

    def _batch(self, num_utterances: int, num_frames: int) -> Batch:
        batch = Batch(
            [str(i) for i in range(num_utterances)],
            torch.rand(num_utterances, num_frames, self._num_coefficients),
            torch.full((num_utterances,), num_frames),
            torch.zeros(num_utterances * self._num_labels, dtype=torch.int64),
            torch.full((num_utterances,), self._num_labels),
        )
        return batch.to(self.device)


class _Memory:
    """The memory of a device that is taken beyond what was taken when this was made.

    Args:
        device: whose.
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self.highest = device, 0
        self.settle()
        self._before = torch.cuda.memory_allocated(device) if device.type == "cuda" else _resident("VmRSS")

    def peak_of(self, call: Callable[[], None]) -> int:
        """The most bytes that are taken at any time of a call."""
        self.settle()
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            _RESET.write_text("5")  # the peak of resident memory is counted from now on
        try:
            call()
        finally:
            peak = self._peak() - self._before
            self.highest = max(self.highest, peak)
        return peak

    def settle(self) -> None:
        """Give back what is free."""
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        else:
            trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
            if trim is not None:
                trim(0)

    def _peak(self) -> int:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            return int(torch.cuda.max_memory_allocated(self._device))
        return _resident("VmHWM")


def _resident(name: str) -> int:
    """Bytes, by the name of a line of /proc/self/status."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"{_STATUS} has no line {name}")
