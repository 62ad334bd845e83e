"""Transcript files of one system, by partition, decoding options and seed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cnn_mellin.errors import DataError

__all__ = ["SystemFolder"]

_NAME = re.compile(r"(?P<partition>[^.]+)(\.(?P<setting>.+))?\.trn")


@dataclass(frozen=True)
class SystemFolder:
    """Transcript files of one system.

    PART.trn holds the transcripts of partition PART; PART.SETTING.trn those decoded with the decoding options (beam
    width, language model weight) named SETTING. Each seed has a folder, at any depth; a single seed needs none.

    Args:
        path: folder of the system.
        files: partition -> name of the decoding options (`""` for PART.trn) -> seed -> file, each sorted.
    """

    path: Path
    files: Mapping[str, Mapping[str, Mapping[str, Path]]]

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """List the transcripts in a folder.

        Raises:
            DataError: the folder does not exist or holds no transcripts, or a file is missing for some of the seeds.
        """
        path = Path(path)
        if not path.is_dir():
            raise DataError(f"{path}: is not a folder; expected a folder with SEED/PART.trn or SEED/PART.SETTING.trn")
        files: dict[str, dict[str, dict[str, Path]]] = {}
        for file in sorted(path.rglob("*.trn")):
            match = _NAME.fullmatch(file.name)
            if match is None:
                raise DataError(f"{file}: is not named PART.trn or PART.SETTING.trn")
            seed = file.parent.relative_to(path).as_posix()
            files.setdefault(match["partition"], {}).setdefault(match["setting"] or "", {})[seed] = file
        if not files:
            raise DataError(f"{path}: holds no transcripts; expected SEED/PART.trn or SEED/PART.SETTING.trn")
        for partition, settings in files.items():
            all_seeds = {seed for seeds in settings.values() for seed in seeds}
            for setting, seeds in settings.items():
                missing = sorted(all_seeds - set(seeds))
                if missing:
                    name = f"{partition}.{setting}.trn" if setting else f"{partition}.trn"
                    raise DataError(f"{path}: {name} is missing for the seeds {', '.join(missing)}; decode them too")
        return cls(path, files)

    def settings(self, partition: str) -> Mapping[str, Mapping[str, Path]]:
        """Files of one partition: name of the decoding options -> seed -> file.

        Raises:
            DataError: the folder holds no transcript of the partition.
        """
        if partition not in self.files:
            known = ", ".join(self.files)
            raise DataError(f"{self.path}: has no transcript of {partition!r}; its partitions are {known}")
        return self.files[partition]
