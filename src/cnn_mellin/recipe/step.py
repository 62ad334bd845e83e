"""A step of the recipe: one `cnn-mellin` command, what it needs and what it makes."""

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
"""In order; `--until` names one."""


@dataclass(frozen=True)
class Step:
    """One command, run in the recipe's folder.

    Args:
        name: unique; of letters, digits, hyphens and dots.
        stage: of STAGES.
        arguments: of `cnn-mellin`; `@FILE` stands for the words of a file that an earlier step made.
        needs: names of the steps before it.
        products: files, relative to the recipe's folder, that it makes; by them it is known whether it is still done.
        stdout: file that takes what the command prints, empty for the log.
        sources: files that it reads and that no step makes.
        state: what it reads besides, as far as that can be said in words: a digest of a corpus, for example.
        resumes: folders that a begun step goes on in, unless what it is made from has changed.
        heavy: computes models, and so wants an accelerator.
        light: takes seconds, and runs where the recipe runs, not as a job of a cluster.
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
    heavy: bool = False
    light: bool = False

    @property
    def command(self) -> str:
        """What a user would type in the recipe's folder, the password of a database left out.

        >>> Step("score-a", "score", ("score", "a b.trn"), stdout="a.json").command
        "cnn-mellin score 'a b.trn' > a.json"
        """
        words = [f"$(cat {a[1:]})" if a.startswith("@") else shlex.quote(a) for a in self.arguments]
        shown = without_passwords(" ".join(["cnn-mellin", *words]))
        return f"{shown} > {shlex.quote(self.stdout)}" if self.stdout else shown

    def digest(self, folder: Path) -> str:
        """A name for the command, the version of its program, and what it reads that no step makes.

        Args:
            folder: of the recipe.
        """
        of_sources = [_digest_file(folder / source) for source in self.sources]
        said = (__version__, self.arguments, self.stdout, self.state, of_sources)
        return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def without_passwords(text: str) -> str:
    """The text, with the passwords of URLs left out.

    >>> without_passwords("optim postgresql+pg8000://me:s3cret@host/db run")
    'optim postgresql+pg8000://me:***@host/db run'
    """
    return re.sub(r"(://[^\s:/@]*):[^\s@]*@", r"\1:***@", text)


def _digest_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"
