"""The memory that a training needs, found by one step at its longest batch before the training begins.

On CUDA the figure is torch's own. On a CPU it is the process's: the peak of its resident memory during the step, which
Linux counts anew when asked to, beyond what is resident before (after all that was freed is given back). Both are of
tensors as they lie in memory, with what the libraries take besides.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from cnn_mellin.config.settings import Settings
from cnn_mellin.data.batch import Batch
from cnn_mellin.data.partition import Partition
from cnn_mellin.models import AcousticModel
from cnn_mellin.training.epoch import Stepper
from cnn_mellin.training.loop import make_optimizer
from cnn_mellin.training.memory_shortage import TrainingMemoryError, naming_memory_shortage

__all__ = ["MemoryNeed", "can_measure_memory", "measure_memory_need"]

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# A step may take this much of the limit before it is stopped; and it is not tried where it would surely take as much.
_HARD_LIMIT, _SURELY_OVER = 1.5, 1.5


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
        size = f"{self.num_bytes / 2**30:.2f} GiB" if self.num_bytes >= 2**30 else f"{self.num_bytes / 2**20:.0f} MiB"
        return f"{self.exactness}{size} for a batch of {self.num_utterances} utterances of {self.num_frames} frames"


def can_measure_memory(device: torch.device) -> bool:
    """Whether the memory of a step can be measured on a device of this system."""
    return device.type == "cuda" or (device.type == "cpu" and _RESET.exists())


def measure_memory_need(
    settings: Settings,
    partition: Partition,
    num_symbols: int,
    device: torch.device | str = "cpu",
    *,
    limit_bytes: int | None = None,
) -> MemoryNeed:
    """The peak memory of a forward pass, a backward pass and an update, with a full batch of the longest utterance.

    With a limit, batches of one and two utterances come first: where the full batch would need far more than the limit,
    it is not tried. On a CPU no step may take much more than the limit, so that no worker is killed by its system.

    Args:
        settings: of the training.
        partition: that it trains on; its lengths alone are read.
        num_symbols: of the corpus.
        device: where it computes.
        limit_bytes: that the need is to be compared with.

    Raises:
        ValueError: memory cannot be measured on this device; ask `can_measure_memory`.
    """
    device = torch.device(device)
    if not can_measure_memory(device):
        raise ValueError(f"device is {device}; memory can be measured on CUDA, and on a CPU under Linux")
    step = _Step(settings, partition, num_symbols, device, limit_bytes)
    full = min(settings.data.batch_size, len(partition))
    try:
        step.peak(1)  # what the libraries load at first use is not the training's
        if limit_bytes is None or full <= 2:
            return step.need(step.peak(full), full)
        one, two = step.peak(1), step.peak(2)
        about = one + (full - 1) * max(two - one, 0)
        if about > _SURELY_OVER * limit_bytes:
            return step.need(about, full, "about ")
        return step.need(step.peak(full), full)
    except TrainingMemoryError:
        reached = max(step.reached, int(limit_bytes or 0))
        return step.need(reached, full, "more than ")


class _Step:
    """One step of a training, of any number of its longest utterances."""

    def __init__(
        self,
        settings: Settings,
        partition: Partition,
        num_symbols: int,
        device: torch.device,
        limit_bytes: int | None,
    ) -> None:
        self._settings, self._device, self._limit = settings, device, limit_bytes
        self._num_coefficients, self._num_symbols = partition.num_coefficients, num_symbols
        longest = int(partition.num_frames.max())
        self.num_frames = longest + 2 * int(settings.training.max_shift_proportion * longest)
        self._num_labels = max(len(partition.reference_of(i)) for i in range(len(partition)))
        self.reached = 0

    def need(self, num_bytes: int, num_utterances: int, exactness: str = "") -> MemoryNeed:
        return MemoryNeed(num_bytes, num_utterances, self.num_frames, exactness)

    def peak(self, num_utterances: int) -> int:
        """Peak bytes of the model, its optimizer and a step of so many utterances."""
        most = None if self._limit is None else int(_HARD_LIMIT * self._limit)
        with _peak_memory(self._device) as peak, _at_most(most, self._device), naming_memory_shortage("a step"):
            self._run(num_utterances)
        self.reached = max(self.reached, peak.num_bytes)
        return peak.num_bytes

    def _run(self, num_utterances: int) -> None:
        training = self._settings.training
        scale = torch.ones(self._num_coefficients) if self._settings.data.scale_features else None
        model = AcousticModel(
            self._num_coefficients,
            self._num_symbols + 1,
            self._settings.model,
            dropout_prob=training.dropout_prob,
            convolutional_dropout_2d=training.convolutional_dropout_2d,
            feature_scale=scale,
        ).to(self._device)
        stepper = Stepper(model.train(), make_optimizer(model, self._settings), training)
        batch = Batch(
            [str(i) for i in range(num_utterances)],
            torch.rand(num_utterances, self.num_frames, self._num_coefficients),
            torch.full((num_utterances,), self.num_frames),
            torch.zeros(num_utterances * self._num_labels, dtype=torch.int64),
            torch.full((num_utterances,), self._num_labels),
        )
        stepper(batch.to(self._device))
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


@dataclass
class _Peak:
    num_bytes: int = 0


@contextmanager
def _peak_memory(device: torch.device) -> Iterator[_Peak]:
    """How much more memory than before is taken at most within the block."""
    peak = _Peak()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        try:
            yield peak
        finally:
            peak.num_bytes = torch.cuda.max_memory_allocated(device) - before
        return
    _give_back()
    _RESET.write_text("5")  # the peak of resident memory is counted from now on
    before = _resident("VmRSS")
    try:
        yield peak
    finally:
        peak.num_bytes = _resident("VmHWM") - before
        gc.collect()
        _give_back()


def _resident(name: str) -> int:
    """Bytes, by the name of a line of /proc/self/status."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"{_STATUS} has no line {name}")


def _give_back() -> None:
    """Let the C library return freed memory to the system, so that the next step takes it anew."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)


@contextmanager
def _at_most(more_bytes: int | None, device: torch.device) -> Iterator[None]:
    """Let allocations fail within the block that would take the process's memory beyond so much more than now."""
    if more_bytes is None or device.type != "cpu":
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    lowered = _resident("VmData") + more_bytes
    if soft != resource.RLIM_INFINITY:
        lowered = min(lowered, soft)
    resource.setrlimit(resource.RLIMIT_DATA, (lowered, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
