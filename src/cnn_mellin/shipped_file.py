"""Configuration files that ship with the package, in an installed package as in a checkout."""

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
    """Path of a file of `conf/`, such as `model/demo-lcorr.ini`.

    An installed package has `conf` inside, a checkout has it at its root.

    Raises:
        FileNotFoundError: there is no such file.

    >>> shipped_file("optim/model-mcorr-sm.ini").name
    'model-mcorr-sm.ini'
    """
    package = Path(__file__).parent
    for folder in (package / "conf", package.parents[1] / "conf"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"conf/{name} is not part of this installation")


def shipped_files(folders: tuple[str, ...] = SETTINGS + FEATURES) -> dict[str, str]:
    """Names and purposes of the files that ship with the package.

    Args:
        folders: folders of `conf/` to list, such as SETTINGS.

    Returns:
        Name below `conf/` -> one line about what the file is for.

    >>> shipped_files(("optim",))["optim/model-mcorr-sm.ini"]
    'starting point of a search for small Mellin models: training settings are fixed, 30 epochs'
    """
    with open(shipped_file(_CONTENTS), encoding="utf-8", newline="") as file:
        rows = [(row["file"], row["purpose"]) for row in csv.DictReader(file, delimiter="\t")]
    return {name: purpose for name, purpose in rows if name.split("/")[0] in folders}


def named_shipped(name: str | PathLike[str], folders: tuple[str, ...] = SETTINGS + FEATURES) -> Path | None:
    """Path of the shipped file that a name stands for, or None.

    Args:
        name: name with or without its folder and its extension: `conf/model/demo-mcorr.ini`, `model/demo-mcorr.ini`,
            `demo-mcorr.ini` or `demo-mcorr`.
        folders: folders of `conf/` that are meant, such as SETTINGS.
    """
    parts = Path(name).parts
    wanted = parts[1:] if parts[:1] == ("conf",) else parts
    for shipped in shipped_files(folders):
        paths = (Path(shipped), Path(shipped).with_suffix(""))
        if wanted in [path.parts[first:] for path in paths for first in (0, 1)]:
            return shipped_file(shipped)
    return None


def file_or_shipped(name: str | PathLike[str], folders: tuple[str, ...]) -> Path:
    """Path of a file on disk or, where there is none, of the shipped file that the name stands for.

    Args:
        name: path of a file, or name of a shipped one as `named_shipped` takes it.
        folders: folders of `conf/` that are meant: SETTINGS or FEATURES.

    Raises:
        SettingsError: it is neither.

    >>> file_or_shipped("demo-mcorr", SETTINGS) == shipped_file("model/demo-mcorr.ini")
    True
    """
    path = Path(name)
    # A pipe, as a shell's <(command), is no regular file, but is there all the same.
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
    """End of a message about a name that no shipped file has: the nearest, or all of them."""
    return nearest(Path(name).stem, {Path(shipped).stem for shipped in shipped_files(folders)})
