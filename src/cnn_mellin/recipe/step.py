"""A step of a recipe: one `cnn-mellin` command, the steps it needs and the files it makes."""

from __future__ import annotations

import hashlib
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from cnn_mellin import __version__

__all__ = ["STAGES", "Step", "without_passwords"]

STAGES = (
    "prep",
    "speed",
    "model-sm",
    "model-lg",
    "train-sm",
    "train-md",
    "settings",
    "train",
    "decode",
    "score",
    "compare",
    "report",
)
"""Stages of a recipe, in order."""


@dataclass(frozen=True)
class Step:
    """One command, run in the recipe's folder.

    Args:
        name: unique name of letters, digits, hyphens and dots.
        stage: one of STAGES.
        arguments: arguments of `cnn-mellin`; `@FILE` stands for the words of a file that an earlier step made.
        needs: names of the steps that must be done first.
        products: files that the step makes, relative to the recipe's folder; it is done while they are unchanged.
        stdout: file for the command's standard output; empty to write it to the log.
        sources: files that the step reads and that no step makes.
        state: digest of everything else that the step reads, such as the corpus.
        resumes: folders in which an interrupted step resumes, unless its inputs have changed.
        num_processes: number of processes that share the step's work, each with an accelerator of its own.
        known_digest: the digest, where it was computed when the recipe was planned.
    """

    name: str
    stage: str
    arguments: tuple[str, ...]
    needs: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    stdout: str = ""
    sources: tuple[str, ...] = ()
    state: str = ""
    resumes: tuple[str, ...] = ()
    num_processes: int = 1
    known_digest: str = ""

    @property
    def command(self) -> str:
        """The command as a user would type it in the recipe's folder, without the database's password.

        >>> Step("score-a", "score", ("score", "a b.trn"), stdout="a.json").command
        "cnn-mellin score 'a b.trn' > a.json"
        """
        words = [f"$(cat {a[1:]})" if a.startswith("@") else shlex.quote(a) for a in self.arguments]
        program = "cnn-mellin"
        if self.num_processes > 1:
            program = f"torchrun --standalone --nproc-per-node {self.num_processes} -m cnn_mellin"
        shown = without_passwords(" ".join([program, *words]))
        return f"{shown} > {shlex.quote(self.stdout)}" if self.stdout else shown

    def digest(self, folder: Path) -> str:
        """Digest of the command, the version of the program, and the inputs that no step makes.

        Args:
            folder: the recipe's folder.
        """
        if self.known_digest:
            return self.known_digest
        source_digests = [_digest_file(folder / source) for source in self.sources]
        hashed: tuple[object, ...] = (__version__, self.arguments, self.stdout, self.state, source_digests)
        if self.num_processes > 1:
            hashed += (self.num_processes,)
        return hashlib.sha256(repr(hashed).encode()).hexdigest()[:16]


def without_passwords(text: str) -> str:
    """The text with the passwords of URLs replaced by asterisks.

    >>> without_passwords("optim postgresql+pg8000://me:s3cret@host/db run")
    'optim postgresql+pg8000://me:***@host/db run'
    """
    return re.sub(r"(://[^\s:/@]*):[^\s@]*@", r"\1:***@", text)


def _digest_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"
