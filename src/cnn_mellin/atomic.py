"""Files and folders that appear whole or not at all.

What is being written stands beside its final name as `.NAME.MARK.partial`, and a folder that is being replaced, for the
moment between two renames, as `.NAME.MARK.old`. The writer holds a lock on `.NAME.MARK.lock` as long as it lives, so
that others can tell its work from what a killed run left behind: that is deleted by the next run for the same name, and
an older folder that has lost its name is given it back.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from cnn_mellin.errors import DataError

__all__ = ["atomic_directory", "atomic_file", "delete_leftovers", "require_replaceable"]

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<mark>[a-z0-9_]{8})\.(partial|old|lock)", re.DOTALL)
_MAX_NAME_BYTES = 255 - len("..01234567.partial")  # of most file systems, less what a temporary name adds
_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic_file(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """An open file that takes its name once the block has ended well and its bytes are on the disk.

    A device or pipe, such as `/dev/stdout`, is written to directly.

    Args:
        path: final name; the folder must exist.
        mode: `w` for text in UTF-8, `wb` for bytes.

    Raises:
        FileNotFoundError: there is no such folder.
        IsADirectoryError: the name is that of a folder.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_file(Path(folder) / "a.txt") as file:
    ...         _ = file.write("whole")
    ...     (Path(folder) / "a.txt").read_text()
    'whole'
    """
    path = Path(path)
    encoding = None if "b" in mode else "utf-8"
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the folder does not exist; make it first", str(path.parent))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder; name a file in it", str(path))
    if path.exists() and not path.is_file():
        with open(path, mode, encoding=encoding) as file:
            yield file
        return
    delete_leftovers(path.parent, path.name)
    with _naming(path), _temporary_path(path) as temporary:
        try:
            with open(temporary, mode.replace("w", "x"), encoding=encoding) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def atomic_directory(path: str | Path, *, what: str, is_own: Callable[[Path], bool]) -> Iterator[Path]:
    """A new folder to fill that takes its final name, and the place of an older one, once the block has ended well.

    Of several processes that write the same name, the last to end wins.

    Args:
        path: final name; where it is a symbolic link, the folder that it leads to is written.
        what: kind of folder, for messages, such as "packed partition of cnn-mellin prep".
        is_own: tells whether an older folder, which is not empty, is of this kind; no other is replaced.

    Raises:
        DataError: the name is taken by something else, or is the current folder or one that holds it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     with atomic_directory(Path(parent) / "new", what="example", is_own=lambda _: False) as folder:
    ...         _ = (folder / "a.txt").write_text("whole")
    ...     (Path(parent) / "new" / "a.txt").read_text()
    'whole'
    """
    given, path = path, Path(os.path.realpath(path))
    delete_leftovers(path.parent, path.name)  # which may put back the older folder

    def check() -> None:
        require_replaceable(given, what=what, is_own=is_own)

    check()
    new_parents = [above for above in path.parents if not above.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _naming(path), _temporary_path(path) as temporary:
            try:
                temporary.mkdir()
                yield temporary
                check()
                _replace_folder(temporary, path)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
    except BaseException:
        for above in new_parents:
            with suppress(OSError):
                above.rmdir()
        raise


def require_replaceable(path: str | Path, *, what: str, is_own: Callable[[Path], bool]) -> None:
    """Check that a folder may be written under a name: nothing is lost that another command or person made.

    Args:
        path: name that the folder is to have.
        what: kind of folder, for messages.
        is_own: tells whether an older folder, which is not empty, is of this kind.

    Raises:
        DataError: the name is taken by something else, or is the current folder or one that holds it.

    >>> require_replaceable("/", what="example", is_own=lambda _: True)
    Traceback (most recent call last):
    ...
    cnn_mellin.errors.DataError: /: is the current folder or holds it; name a new folder
    """
    real = Path(os.path.realpath(path))
    here = Path(os.path.realpath("."))
    if real == here or real in here.parents:
        raise DataError(f"{path}: is the current folder or holds it; name a new folder")
    while real.exists():
        before = _identity(real)
        if not real.is_dir():
            if _identity(real) == before:
                raise DataError(f"{path}: exists and is no folder; name another, or move this file away")
        else:
            with suppress(FileNotFoundError):
                if not os.listdir(real) or is_own(real):
                    return
            if _identity(real) == before:  # and no other process has just replaced it
                raise DataError(f"{path}: exists and is no {what}; name another folder, or move this one away")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        about = path.stat()
    except FileNotFoundError:
        return None
    return about.st_dev, about.st_ino


def delete_leftovers(folder: str | Path, name: str | None = None) -> None:
    """Delete what killed runs left in a folder under temporary names, and give replaced folders back their names.

    Args:
        folder: that holds the final names; it need not exist.
        name: final name of what was being written; by default everything in the folder.
    """
    folder = Path(folder)
    found: set[tuple[str, str]] = set()
    with suppress(OSError):
        for entry in os.listdir(folder):
            match = _TEMPORARY.fullmatch(entry)
            if match is not None and name in (None, match["name"]):
                found.add((match["name"], match["mark"]))
    for final_name, mark in found:
        stem = folder / f".{final_name}.{mark}"
        path = Path(f"{stem}.lock")
        if not path.exists():  # of a file system without locks, or of a version before them
            _tidy(stem, folder / final_name)
            continue
        with suppress(OSError):
            lock = FileLock(path)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue  # its owner lives
            try:
                _tidy(stem, folder / final_name)
            finally:
                _release(lock, path)


@contextmanager
def _temporary_path(path: Path) -> Iterator[Path]:
    """A name beside `path` for what is being written; other processes see that its owner lives."""
    if len(os.fsencode(path.name)) > _MAX_NAME_BYTES:
        raise OSError(errno.ENAMETOOLONG, f"has a name of more than {_MAX_NAME_BYTES} bytes; shorten it", str(path))
    while True:
        stem = f".{path.name}.{secrets.token_hex(4)}"
        lock_path = path.with_name(f"{stem}.lock")
        lock = FileLock(lock_path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        except (OSError, NotImplementedError):  # no locks here: as good as it gets; what else is wrong will show
            break
        if lock_path.exists():
            break
        lock.release()  # of a file that another process took for a leftover before it was locked
    try:
        yield path.with_name(f"{stem}.partial")
    finally:
        _release(lock, lock_path)


def _release(lock: Any, path: Path) -> None:
    with suppress(OSError):
        lock.release()
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _replace_folder(temporary: Path, path: Path) -> None:
    """Give a folder its name; one that has it is moved aside first, as no folder can be renamed onto a full one."""
    aside = temporary.with_suffix(".old")
    try:
        while True:
            with suppress(FileNotFoundError):
                os.rename(path, aside)
            try:
                os.rename(temporary, path)
                break
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                _remove(aside)  # another process put its own in the place of this one meanwhile
    except BaseException:
        if aside.exists() and not path.exists():
            os.rename(aside, path)
        raise
    _remove(aside)


def _tidy(stem: Path, path: Path) -> None:
    """Delete what a killed run left, and put back the folder that it had moved aside and not yet replaced."""
    partial = Path(f"{stem}.partial")
    # Versions before this one moved the older folder into a partial of its own.
    for aside in (Path(f"{stem}.old"), partial / "old"):
        if aside.is_dir() and not path.exists() and (aside.parent != partial or os.listdir(partial) == ["old"]):
            with suppress(OSError):
                os.rename(aside, path)
    for leftover in (Path(f"{stem}.old"), partial):
        _remove(leftover)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name what was being written in errors of the system that name no file, such as a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno in _OF_WRITING and error.filename is None:
            error.filename = str(path)
        raise
