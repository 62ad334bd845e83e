"""Configuration files that ship with the package."""

from __future__ import annotations

import csv
from os import PathLike
from pathlib import Path

from cnn_mellin.errors import SettingsError
from cnn_mellin.nearest import nearest

__all__ = [
    "FEATURES",
    "SETTINGS",
    "file_or_shipped",
    "named_shipped",
    "nearest_shipped",
    "shipped_file",
    "shipped_files",
]

SETTINGS = ("model", "optim")  # folders of settings
FEATURES = ("feats",)  # folder of feature configurations
_CONTENTS = "contents.tsv"


def shipped_file(name: str) -> Path:
    """Path of a file in `conf/`, such as `model/demo-lcorr.ini`.

    An installed package contains `conf`; a checkout has it at its root.

    Raises:
        FileNotFoundError: no such file ships with the package.

    >>> shipped_file("optim/model-mcorr-sm.ini").name
    'model-mcorr-sm.ini'
    """
    package = Path(__file__).parent
    for folder in (package / "conf", package.parents[1] / "conf"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"conf/{name} is not part of this installation")


def shipped_files(folders: tuple[str, ...] = SETTINGS + FEATURES) -> dict[str, str]:
    """List the files that ship with the package, and their purposes.

    Args:
        folders: folders of `conf/` to list, such as SETTINGS.

    Returns:
        Name below `conf/` -> purpose of the file, one line.

    >>> shipped_files(("optim",))["optim/model-mcorr-sm.ini"]
    'starting point of a search for small Mellin models: training settings are fixed, 30 epochs'
    """
    with open(shipped_file(_CONTENTS), encoding="utf-8", newline="") as file:
        rows = [(row["file"], row["purpose"]) for row in csv.DictReader(file, delimiter="\t")]
    return {name: purpose for name, purpose in rows if name.split("/")[0] in folders}


def named_shipped(name: str | PathLike[str], folders: tuple[str, ...] = SETTINGS + FEATURES) -> Path | None:
    """Path of the shipped file that a name refers to, or None.

    Args:
        name: file name, with or without folder and extension: `conf/model/demo-mcorr.ini`, `model/demo-mcorr.ini`,
            `demo-mcorr.ini` or `demo-mcorr`.
        folders: folders of `conf/` to search, such as SETTINGS.
    """
    parts = Path(name).parts
    wanted = parts[1:] if parts[:1] == ("conf",) else parts
    for shipped in shipped_files(folders):
        paths = (Path(shipped), Path(shipped).with_suffix(""))
        if wanted in [path.parts[first:] for path in paths for first in (0, 1)]:
            return shipped_file(shipped)
    return None


def file_or_shipped(name: str | PathLike[str], folders: tuple[str, ...]) -> Path:
    """Path of a file on disk or, if it does not exist, of the shipped file that the name refers to.

    Args:
        name: path of a file, or name of a shipped file as for `named_shipped`.
        folders: folders of `conf/` to search: SETTINGS or FEATURES.

    Raises:
        SettingsError: there is no such file.

    >>> file_or_shipped("demo-mcorr", SETTINGS) == shipped_file("model/demo-mcorr.ini")
    True
    """
    path = Path(name)
    # A pipe, such as a shell's <(command), is not a regular file, but may be read.
    if path.exists() and not path.is_dir():
        return path
    found = named_shipped(path, folders)
    if found is not None:
        return found
    kinds = {SETTINGS: "settings", FEATURES: "feature configuration"}
    if path.is_dir():
        raise SettingsError(f"{path}: is a folder; name a file ({kinds[folders]})")
    for other, kind in kinds.items():
        if other != folders and named_shipped(path, other) is not None:
            raise SettingsError(f"{path}: is a shipped file of another kind ({kind}); expected {kinds[folders]}")
    raise SettingsError(f"{path}: does not exist, on disk or among the shipped files; {nearest_shipped(path, folders)}")


def nearest_shipped(name: str | PathLike[str], folders: tuple[str, ...] = SETTINGS + FEATURES) -> str:
    """Phrase for messages about an unknown name: the most similar shipped file, or all of them."""
    return nearest(Path(name).stem, {Path(shipped).stem for shipped in shipped_files(folders)})
