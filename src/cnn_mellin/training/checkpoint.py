"""Checkpoints: everything that a training needs to resume as if it had never stopped.

A checkpoint is two files: the model's weights, and the training state (optimizer, schedule, history).
`checkpoints.json` lists the checkpoints with a checksum of each file; a checkpoint exists once that list has been
replaced. Within an epoch, every few minutes and when it is stopped, a training saves one more checkpoint, in one file,
which is deleted when the next one is complete.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import torch

from cnn_mellin.atomic import atomic_file
from cnn_mellin.errors import DataError
from cnn_mellin.formats.text_file import read_json

__all__ = ["Checkpoint", "CheckpointStore"]

_log = logging.getLogger(__name__)


_WITHIN = re.compile(r"within_[0-9]{3,}_[0-9]{6,}\.pt")


@dataclass
class Checkpoint:
    """State of a training after an epoch, or within the next.

    Args:
        epoch: number of the last complete epoch, from 1; 0 is before the first.
        model: state dict of the model.
        training: optimizer, schedule, history and so on, as tensors and plain values.
    """

    epoch: int
    model: dict[str, torch.Tensor]
    training: dict[str, Any]


class _HashingFile(io.RawIOBase):
    """Writes bytes to another file and computes their checksum, without a copy of the checkpoint in memory.

    Args:
        file: file that receives the bytes.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.digest = file, hashlib.sha256()
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self.digest.update(content)
        try:
            return self._file.write(content)
        except OSError as error:
            self.error = error
            raise


class CheckpointStore:
    """The checkpoints in a model folder.

    Args:
        folder: existing model folder.
        model_format, training_format: formats of the file names, with `{epoch}`.

    Raises:
        DataError: the list of checkpoints is damaged.
    """

    def __init__(self, folder: Path, model_format: str, training_format: str) -> None:
        self.folder = folder
        self._formats = (model_format, training_format)
        self._list = folder / "checkpoints.json"
        self._entries: list[dict[str, Any]] = []
        self._within: dict[str, Any] | None = None
        self.best_epoch: int | None = None
        if self._list.exists():
            try:
                self._adopt(read_json(self._list))
            except (DataError, ValueError) as error:
                fault = str(error).removeprefix(f"{self._list}: ")
                raise DataError(
                    f"{self._list}: is damaged ({fault}); restore it, or train again in another folder"
                ) from None

    def _adopt(self, content: dict[str, Any]) -> None:
        """Use a list that was read; it may name checkpoints only, as files that it names are loaded and deleted.

        Raises:
            ValueError: `_replace_list` would not have written it.
        """
        entries, best_epoch = content.get("checkpoints"), content.get("best_epoch")
        if not isinstance(entries, list):
            raise ValueError(f"checkpoints is {_shown(entries)}; must be a list")
        last_epoch = 0
        for entry in entries:
            epoch, names = _listed(entry)
            if epoch <= last_epoch:
                raise ValueError(f"epoch {epoch} is listed after {last_epoch}; epochs must rise from 1")
            expected = self._names(epoch)
            if names != expected:
                raise ValueError(f"epoch {epoch} lists {_shown(names)}; must be {_shown(expected)}")
            last_epoch = epoch
        if best_epoch is not None and not _is_count(best_epoch):
            raise ValueError(f"best_epoch is {_shown(best_epoch)}; must be a whole number")
        within = content.get("within_epoch")
        if within is not None:
            epoch, names = _listed(within)
            if len(names) != 1 or not re.fullmatch(rf"within_{epoch + 1:03d}_[0-9]{{6,}}\.pt", names[0]):
                raise ValueError(f"within_epoch lists {_shown(names)}; must be within_{epoch + 1:03d}_BATCHES.pt")
        self._entries, self.best_epoch, self._within = entries, best_epoch, within

    @property
    def epochs(self) -> list[int]:
        """Numbers of the epochs whose checkpoints are kept, in order."""
        return [entry["epoch"] for entry in self._entries]

    def _names(self, epoch: int) -> list[str]:
        """File names of a complete epoch: of the weights, and of the training state."""
        return [name_format.format(epoch=epoch) for name_format in self._formats]

    def save(self, checkpoint: Checkpoint, *, best_epoch: int, keep_all: bool) -> None:
        """Add a checkpoint; delete all but the last two and the best, unless `keep_all` is set.

        The last but one stays as a replacement in case the last is damaged.
        """
        files = {}
        for name, state in zip(self._names(checkpoint.epoch), (checkpoint.model, checkpoint.training), strict=True):
            files[name] = self._write(name, state)
        entries = [entry for entry in self._entries if entry["epoch"] < checkpoint.epoch]
        entries.append({"epoch": checkpoint.epoch, "files": files})
        kept = entries if keep_all else [e for e in entries if e in entries[-2:] or e["epoch"] == best_epoch]
        self._replace_list(kept, best_epoch, None)

    def save_within(self, checkpoint: Checkpoint, num_batches: int) -> None:
        """Add a checkpoint within the epoch after `checkpoint.epoch`, `num_batches` batches into it."""
        name = f"within_{checkpoint.epoch + 1:03d}_{num_batches:06d}.pt"
        files = {name: self._write(name, {"model": checkpoint.model, "training": checkpoint.training})}
        self._replace_list(self._entries, self.best_epoch, {"epoch": checkpoint.epoch, "files": files})

    def delete_unlisted(self) -> None:
        """Delete checkpoints within an epoch that a killed training had not yet listed, or had not yet deleted."""
        listed = self._file_names()
        for path in self.folder.glob("within_*.pt"):
            if _WITHIN.fullmatch(path.name) and path.name not in listed:
                path.unlink(missing_ok=True)

    def _write(self, name: str, state: dict[str, Any]) -> str:
        with atomic_file(self.folder / name, "wb") as file:
            hashing = _HashingFile(file)
            try:
                torch.save(state, cast(IO[bytes], hashing))
            except RuntimeError:  # torch reports that bytes are missing, not why
                if hashing.error is None:
                    raise
                raise hashing.error from None
        return hashing.digest.hexdigest()

    def _replace_list(
        self, entries: list[dict[str, Any]], best_epoch: int | None, within: dict[str, Any] | None
    ) -> None:
        """Replace the list of checkpoints, then delete the files that it no longer names."""
        old = self._file_names()
        content: dict[str, Any] = {"best_epoch": best_epoch, "checkpoints": entries}
        if within is not None:
            content["within_epoch"] = within
        with atomic_file(self._list) as file:
            json.dump(content, file, indent=1)
        self._entries, self.best_epoch, self._within = entries, best_epoch, within
        for name in old - self._file_names():
            (self.folder / name).unlink(missing_ok=True)

    def _file_names(self) -> set[str]:
        entries = self._entries if self._within is None else [*self._entries, self._within]
        return {name for entry in entries for name in entry["files"]}

    def load_last(self) -> Checkpoint | None:
        """The newest undamaged checkpoint, or None if there are no checkpoints; damaged ones are logged as warnings.

        Raises:
            DataError: every checkpoint is damaged.
        """
        if self._within is not None:
            damage = self._damage(self._within)
            if damage is None:
                state = self._load(next(iter(self._within["files"])))
                return Checkpoint(self._within["epoch"], state["model"], state["training"])
            _log.warning("%s; going back to the epoch before it", damage)
        for entry in reversed(self._entries):
            damage = self._damage(entry)
            if damage is None:
                model, training = (self._load(name) for name in entry["files"])
                return Checkpoint(entry["epoch"], model, training)
            _log.warning("%s; going back to the checkpoint before it", damage)
        if self._entries:
            raise DataError(f"{self._list}: every checkpoint is damaged; delete the folder and train again")
        return None

    def load_model(self, epoch: int | None = None) -> dict[str, torch.Tensor]:
        """Weights after an epoch; by default after the best epoch.

        Raises:
            DataError: there is no checkpoint of that epoch, or it is damaged.
        """
        wanted = self.best_epoch if epoch is None else epoch
        for entry in self._entries:
            if entry["epoch"] == wanted:
                damage = self._damage(entry)
                if damage is not None:
                    raise DataError(damage)
                return self._load(next(iter(entry["files"])))
        listed = ", ".join(map(str, self.epochs)) or "none"
        raise DataError(f"{self.folder}: no checkpoint of epoch {wanted}; there are: {listed}")

    def _damage(self, entry: dict[str, Any]) -> str | None:
        """Description of the damage to a checkpoint's files, or None."""
        for name, checksum in entry["files"].items():
            path = self.folder / name
            try:
                found = hashlib.sha256(path.read_bytes()).hexdigest()
            except OSError as error:
                return f"{path}: cannot be read ({error.strerror})"
            if found != checksum:
                return f"{path}: is damaged (its checksum is not the one in {self._list.name})"
        return None

    def _load(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
            raise DataError(f"{path}: is not a checkpoint ({str(error).splitlines()[0]})") from None
        return state


def _listed(entry: Any) -> tuple[int, list[str]]:
    """Epoch and file names of an entry of the list.

    Raises:
        ValueError: the entry has no epoch, or no files with checksums.
    """
    if not isinstance(entry, dict) or not _is_count(entry.get("epoch")):
        raise ValueError(f"{_shown(entry)} has no whole number as its epoch")
    files = entry.get("files")
    if not isinstance(files, dict) or not all(_is_checksum(value) for value in files.values()):
        raise ValueError(f"epoch {entry['epoch']} has files {_shown(files)}; must be names with SHA-256 checksums")
    return entry["epoch"], list(files)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _is_checksum(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _shown(value: Any) -> str:
    text = ", ".join(map(ascii, value)) if isinstance(value, list) and value else ascii(value)
    return text if len(text) <= 80 else text[:80] + "..."
