"""Atomic writing: files and folders appear complete or not at all.

Content is written to `.NAME.MARK.partial` beside the final name, then renamed. A folder that is being replaced is named
`.NAME.MARK.old` between the two renames. The writer locks `.NAME.MARK.lock` while it lives, so that other processes can
distinguish its files from those of a killed run. The next run that writes the same name deletes the latter, and renames
a replaced folder back if the killed run had not put the new one in its place.
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
_MAX_NAME_BYTES = 255 - len("..01234567.partial")  # limit of most file systems, minus what a temporary name adds
_DISK_FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic_file(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file for writing, and rename it to `path` once the block has succeeded.

    The file is flushed to disk before the rename. A device or pipe, such as `/dev/stdout`, is written to directly.

    Args:
        path: final name; its folder must exist.
        mode: `w` for text in UTF-8, `wb` for bytes.

    Raises:
        FileNotFoundError: the folder does not exist.
        IsADirectoryError: `path` is a folder.

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
    """Make a temporary folder to fill, and rename it to `path` once the block has succeeded.

    An older folder of that name is replaced. If several processes write the same name, the last one to finish wins.

    Args:
        path: final name; if it is a symbolic link, the folder that it points to is replaced.
        what: kind of folder, for messages, such as "packed partition of cnn-mellin prep".
        is_own: function that returns True for a folder of this kind; other folders are not replaced unless empty.

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
    delete_leftovers(path.parent, path.name)  # which may restore the older folder

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
    """Check that a folder may be written to `path` without destroying files of another kind.

    Args:
        path: final name of the folder.
        what: kind of folder, for messages.
        is_own: function that returns True for a folder of this kind.

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
        with _held(real) as before:
            problem = "a folder; name a folder, or move this file away"
            with suppress(FileNotFoundError, NotADirectoryError):
                entries = os.listdir(real)
                problem = f"{_with_article(what)}; name another folder, or move this one away"
                if not entries or is_own(real):
                    return
            if before is not None and _identity(real) == before:  # and no other process has just replaced it
                raise DataError(f"{path}: exists and is not {problem}")


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiouAEIOU' else 'a'} {noun}"


def _identity(path: Path | int) -> tuple[int, int] | None:
    """Device and inode of a path or an open file, or None if the path does not exist."""
    try:
        about = os.stat(path)
    except FileNotFoundError:
        return None
    return about.st_dev, about.st_ino


@contextmanager
def _held(path: Path) -> Iterator[tuple[int, int] | None]:
    """Identity of a path, which no other folder gets meanwhile, even if this one is deleted, as it is kept open.

    It is None if the path does not exist.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        yield None
        return
    except OSError:  # it is a file or may not be read, or the system opens no folders
        yield _identity(path)
        return
    try:
        yield _identity(descriptor)
    finally:
        os.close(descriptor)


def delete_leftovers(folder: str | Path, name: str | None = None) -> None:
    """Delete temporary files of killed runs, and restore folders that such a run had moved aside.

    Args:
        folder: folder that holds the final names; it need not exist.
        name: final name whose leftovers to delete; by default those of every name in the folder.
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
        if not path.exists():  # written on a file system without locks, or by a version without them
            _tidy(stem, folder / final_name)
            continue
        with suppress(OSError):
            lock = FileLock(path)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue  # the writer is alive
            try:
                _tidy(stem, folder / final_name)
            finally:
                _release(lock, path)


@contextmanager
def _temporary_path(path: Path) -> Iterator[Path]:
    """Reserve a temporary name beside `path`, locked so that other processes see that the writer is alive."""
    if len(os.fsencode(path.name)) > _MAX_NAME_BYTES:
        raise OSError(errno.ENAMETOOLONG, f"the name has more than {_MAX_NAME_BYTES} bytes; shorten it", str(path))
    while True:
        stem = f".{path.name}.{secrets.token_hex(4)}"
        lock_path = path.with_name(f"{stem}.lock")
        lock = FileLock(lock_path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        except (OSError, NotImplementedError):  # no locks here: proceed without; other faults show when writing
            break
        if lock_path.exists():
            break
        lock.release()  # another process deleted the file as a leftover before it was locked
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
    """Rename a folder to `path`; an older folder is moved aside first, as a rename cannot replace one with files."""
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
                _remove(aside)  # another process has put its own folder there meanwhile
    except BaseException:
        if aside.exists() and not path.exists():
            os.rename(aside, path)
        raise
    _remove(aside)


def _tidy(stem: Path, path: Path) -> None:
    """Delete the leftovers of a killed run, and restore the folder that it had moved aside but not yet replaced."""
    partial = Path(f"{stem}.partial")
    # Earlier versions moved the older folder into the partial one.
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
    """Add the file name to system errors that lack it, such as a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL_ERRORS and error.filename is None:
            error.filename = str(path)
        raise
