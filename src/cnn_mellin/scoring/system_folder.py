"""The transcripts of one system: its seeds, and for each part of the corpus the decoder's settings that were tried."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cnn_mellin.errors import DataError

__all__ = ["SystemFolder"]

_NAME = re.compile(r"(?P<part>[^.]+)(\.(?P<setting>.+))?\.trn")


@dataclass(frozen=True)
class SystemFolder:
    """Where the transcripts of a system are.

    A file is `SEED/PART.trn`, or `SEED/PART.SETTING.trn` where several settings of the decoder (beam width, weight of
    the language model) were tried, with any number of folders for SEED, or none for a single seed.

    Args:
        path: the folder.
        files: part -> setting (`""` where the name has none) -> seed -> file; all sorted.
    """

    path: Path
    files: Mapping[str, Mapping[str, Mapping[str, Path]]]

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Find the files.

        Raises:
            DataError: the folder does not exist or has no transcripts, or seeds differ between settings or parts.
        """
        path = Path(path)
        if not path.is_dir():
            raise DataError(f"{path}: is no folder; expected transcripts SEED/PART.trn or SEED/PART.SETTING.trn in it")
        files: dict[str, dict[str, dict[str, Path]]] = {}
        for file in sorted(path.rglob("*.trn")):
            match = _NAME.fullmatch(file.name)
            if match is None:
                raise DataError(f"{file}: is not named PART.trn or PART.SETTING.trn")
            seed = file.parent.relative_to(path).as_posix()
            files.setdefault(match["part"], {}).setdefault(match["setting"] or "", {})[seed] = file
        if not files:
            raise DataError(f"{path}: holds no transcripts; expected SEED/PART.trn or SEED/PART.SETTING.trn")
        for part, settings in files.items():
            all_seeds = {seed for seeds in settings.values() for seed in seeds}
            for setting, seeds in settings.items():
                missing = sorted(all_seeds - set(seeds))
                if missing:
                    name = f"{part}.{setting}.trn" if setting else f"{part}.trn"
                    raise DataError(f"{path}: {name} is missing for the seeds {', '.join(missing)}; decode them too")
        return cls(path, files)

    def settings(self, part: str) -> Mapping[str, Mapping[str, Path]]:
        """Setting -> seed -> file, for one part.

        Raises:
            DataError: there is no transcript of it.
        """
        if part not in self.files:
            raise DataError(f"{self.path}: has no transcript of {part!r}; its parts are {', '.join(self.files)}")
        return self.files[part]
