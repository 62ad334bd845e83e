"""Utterances that cannot be used: how many may be left out, and how they are reported, all at once."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnn_mellin.atomic import atomic_file
from cnn_mellin.corpora.fault import Fault, fault_kind
from cnn_mellin.errors import AudioError, CorpusError, SettingsError, UserError
from cnn_mellin.formats.text_table import format_table

__all__ = ["FaultyCorpusError", "LeaveOut", "fault_table", "require_few_faults", "write_fault_list"]

_HEADER = "partition\tutterance\tfault"
_MOST = re.compile(r"(\d+(?:\.\d+)?)(%?)")


@dataclass(frozen=True)
class LeaveOut:
    """Number of faulty utterances of a partition that may be left out.

    Args:
        most: a percentage of the partition, such as `1%`, or a number of utterances, such as `50`.

    Raises:
        SettingsError: `most` is neither.

    >>> LeaveOut("1%").allows(25, 2500), LeaveOut("1%").allows(26, 2500), LeaveOut("50").allows(50, 60)
    (True, False, True)
    """

    most: str = "1%"

    def __post_init__(self) -> None:
        found = _MOST.fullmatch(self.most)
        if not found or (found[2] and float(found[1]) > 100) or (not found[2] and "." in found[1]):
            rule = "must be a percentage of a partition, such as 1%, or a number of utterances, such as 50"
            raise SettingsError(f"leave_out_damaged {self.most}: {rule}")

    def allows(self, num_faulty: int, num_utterances: int) -> bool:
        """Return True if so many of so many utterances may be left out."""
        number = float(self.most.rstrip("%"))
        return 100 * num_faulty <= number * num_utterances if self.most.endswith("%") else num_faulty <= number


class FaultyCorpusError(UserError):
    """Several utterances cannot be used, or more than may be left out.

    Args:
        faults: partition -> faults of its utterances.
        why: the message.
    """

    def __init__(self, faults: Mapping[str, Sequence[Fault]], why: str) -> None:
        self.faults, self.why = faults, why
        super().__init__(why)

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.faults, self.why)


def require_few_faults(
    faulty: Mapping[str, Sequence[Fault]], num_utterances: Mapping[str, int], leave_out: LeaveOut | None
) -> None:
    """Check that there are no faults, or only as many as may be left out.

    Args:
        faulty: partition -> faults of its utterances.
        num_utterances: partition -> number of its utterances, with the faulty ones.
        leave_out: maximum that may be left out; None for no fault at all.

    Raises:
        CorpusError: there is one fault, the message of which names the remedies.
        FaultyCorpusError: there are several, or more than may be left out.
    """
    counts = {partition: (len(found), num_utterances[partition]) for partition, found in faulty.items() if found}
    if leave_out is not None:
        over = {partition: count for partition, count in counts.items() if not leave_out.allows(*count)}
        for partition, (count, total) in counts.items():
            if partition not in over and count == total:
                raise FaultyCorpusError(faulty, f"none of {total} utterances of {partition} can be used; mend them")
        if not over:
            return
        why = f"{_shown(over)} cannot be used, more than leave_out_damaged={leave_out.most}"
        raise FaultyCorpusError(faulty, f"{why}; mend them, or allow leave_out_damaged={_needed(counts)}")
    faults = [fault for of_partition in faulty.values() for fault in of_partition]
    if len(faults) == 1:
        raise _with_remedy(faults[0].error)
    if faults:
        why = f"{_shown(counts)} cannot be used"
        needs = Counter(remedy for fault in faults if (remedy := _remedy(fault.error)))
        others = "".join(f"; for {count} of them, {remedy}" for remedy, count in sorted(needs.items()))
        whole = any(count == total for count, total in counts.values())  # a partition may not be left empty
        remedy = "mend them" if whole else f"mend them, or leave them out with leave_out_damaged={_needed(counts)}"
        raise FaultyCorpusError(faulty, f"{why}; {remedy}{others}")


def _shown(counts: Mapping[str, tuple[int, int]]) -> str:
    """Phrase for the number of faulty utterances and of all utterances of each partition."""
    return ", ".join(f"{count} of {total} utterances of {partition}" for partition, (count, total) in counts.items())


def _needed(counts: Mapping[str, tuple[int, int]]) -> str:
    """Smallest percentage, with one decimal, that allows all faults to be left out."""
    return f"{max(math.ceil(1000 * count / total) for count, total in counts.values()) / 10:g}%"


def _remedy(error: CorpusError) -> str:
    """Phrase for the argument of `prepare` by which audio of this form could be used; empty if there is none."""
    if error.why.endswith("resample the file"):
        return "pass resample=True"
    return "pass channel=1 or mix_down=True" if error.why.endswith("mix them down") else ""


def _with_remedy(error: CorpusError) -> CorpusError:
    remedy = _remedy(error)
    why = f"{error.why}, or {remedy}" if remedy else f"{error.why}; or leave it out with leave_out_damaged=1"
    return AudioError(error.path, why) if isinstance(error, AudioError) else CorpusError(error.path, error.line, why)


def fault_table(faults: Mapping[str, Sequence[Fault]]) -> list[str]:
    """Lines of a table of faults: each kind, how many there are of it, and the file that has the first.

    Values in the messages of a kind are shown as N, FILE or '…' where they differ.

    Args:
        faults: partition -> faults of its utterances.

    >>> faults = [Fault(name, CorpusError(f"{name}.wav", None, "is empty (0 bytes); copy it again")) for name in "ab"]
    >>> for line in fault_table({"train": faults}):
    ...     print(line)
    fault               count  first
    is empty (0 bytes)      2  a.wav
    """
    kinds: dict[str, list[CorpusError]] = {}
    for fault in (fault for of_partition in faults.values() for fault in of_partition):
        kinds.setdefault(fault_kind(fault.error), []).append(fault.error)
    rows = [
        [
            _shared_words(kind, errors),
            str(len(errors)),
            str(errors[0].path) + ("" if errors[0].line is None else f":{errors[0].line}"),
        ]
        for kind, errors in sorted(kinds.items(), key=lambda item: -len(item[1]))
    ]
    return format_table(["fault", "count", "first"], rows, "text").splitlines()


def _shared_words(kind: str, errors: Sequence[CorpusError]) -> str:
    """Message of errors of one kind, without the remedy; without the values where these differ."""
    messages = {error.why.rpartition("; ")[0] or error.why for error in errors}
    return kind if len(messages) > 1 else messages.pop()


def write_fault_list(path: str | Path, faults: Mapping[str, Sequence[Fault]]) -> None:
    """Write a list of all faults, with tabs between partition, utterance and message.

    Args:
        path: file to write. Without any fault, an older list at this place is deleted.
        faults: partition -> faults of its utterances.

    Raises:
        SettingsError: the file exists and is not a list of faults.
    """
    path = Path(path)
    if path.exists() and not path.read_bytes().startswith(f"{_HEADER}\n".encode()):
        raise SettingsError(f"fault_list {path}: exists and is not a list of faults; name another file")
    rows = [
        f"{partition}\t{fault.utterance_id}\t{' '.join(str(fault.error).split())}\n"
        for partition, of_partition in faults.items()
        for fault in of_partition
    ]
    if not rows:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        file.writelines([f"{_HEADER}\n", *rows])
