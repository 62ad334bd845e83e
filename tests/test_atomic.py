import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cnn_mellin.atomic import atomic_directory, atomic_file, delete_leftovers, require_replaceable
from cnn_mellin.errors import DataError


def directory(path):
    """An atomic directory that may replace any folder."""
    return atomic_directory(path, what="example", is_own=lambda _: True)


def test_the_file_does_not_change_until_the_block_ends(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_file(path) as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_the_error_names_the_missing_folder(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match="the folder does not exist; make it first") as caught,
        atomic_file(tmp_path / "new" / "a.txt"),
    ):
        pass
    assert caught.value.filename == str(tmp_path / "new")


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with atomic_file(path) as file:
            file.write("half")
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        fail()
    assert [entry.read_text() for entry in tmp_path.iterdir()] == ["old"]


def test_a_directory_replaces_an_older_one_completely(tmp_path):
    path = tmp_path / "d"
    for content in ("first", "second"):
        with directory(path) as folder:
            (folder / content).write_text(content)
            assert not (path / content).exists()
    assert [entry.name for entry in path.iterdir()] == ["second"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["d"]


def test_an_error_leaves_no_directory(tmp_path):
    def fail() -> None:
        with directory(tmp_path / "d") as folder:
            (folder / "half").write_text("")
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_the_next_writer_deletes_the_leftovers_of_a_killed_process(tmp_path):
    program = f"""
        import time
        from cnn_mellin.atomic import atomic_directory
        with atomic_directory({str(tmp_path / "d")!r}, what="example", is_own=lambda _: True) as folder:
            (folder / "half").write_text("")
            print("writing", flush=True)
            time.sleep(60)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not (tmp_path / "d").exists()
    assert len(list(tmp_path.glob(".*.partial"))) == 1
    time.sleep(0.01)
    with directory(tmp_path / "d") as folder:
        (folder / "whole").write_text("")
    assert [entry.name for entry in tmp_path.iterdir()] == ["d"]


def started(program: str) -> subprocess.Popen:
    """Start a Python program and wait for its first line."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def ended(process: subprocess.Popen) -> int:
    assert process.stdout is not None
    assert process.stdin is not None
    process.stdin.close()
    process.stdout.close()
    return process.wait(timeout=30)


WRITER = """
    import sys
    from cnn_mellin.atomic import atomic_directory
    with atomic_directory({path!r}, what="example", is_own=lambda _: True) as folder:
        (folder / {content!r}).write_text("")
        print("writing", flush=True)
        sys.stdin.read()
"""
KILLED_AT_RENAME = """
    import os, signal
    from cnn_mellin import atomic
    renamed, rename = [], os.rename
    def counted(*paths):
        if len(renamed) == {number}:
            os.kill(os.getpid(), signal.SIGKILL)
        renamed.append(paths)
        rename(*paths)
    os.rename = counted
    with atomic.atomic_directory({path!r}, what="example", is_own=lambda _: True) as folder:
        (folder / "new").write_text("")
        print("writing", flush=True)
"""


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("next_run", ["same name", "same folder", "fails"])
def test_a_kill_between_the_renames_loses_nothing(tmp_path, number, next_run):
    path = tmp_path / "v"
    path.mkdir()
    (path / "old").write_text("")
    assert ended(started(KILLED_AT_RENAME.format(path=str(path), number=number))) == -signal.SIGKILL
    assert path.exists() == (number == 0)
    if next_run == "same folder":
        delete_leftovers(tmp_path)
    else:
        with contextlib.suppress(RuntimeError), directory(path) as folder:
            assert (path / "old").exists()
            (folder / "next").write_text("")
            if next_run == "fails":
                raise RuntimeError("stopped")
    assert [entry.name for entry in path.iterdir()] == ["next" if next_run == "same name" else "old"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["v"]


def test_of_two_processes_that_write_the_same_name_the_last_one_wins(tmp_path):
    path = tmp_path / "v"
    first = started(WRITER.format(path=str(path), content="first"))
    second = started(WRITER.format(path=str(path), content="second"))
    assert ended(second) == 0
    assert [entry.name for entry in path.iterdir()] == ["second"]
    assert ended(first) == 0
    assert [entry.name for entry in path.iterdir()] == ["first"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["v"]


def test_the_lock_of_a_killed_process_is_deleted(tmp_path):
    process = started(WRITER.format(path=str(tmp_path / "v"), content="half"))
    process.kill()
    ended(process)
    (partial,) = tmp_path.glob(".v.*.partial")
    shutil.rmtree(partial)  # as when it is killed just after its folder took its name
    assert len(list(tmp_path.iterdir())) == 1
    delete_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("living", "next_name"), [("v.2", "v"), ("v", "v.2"), ("v.abcd1234", "v")])
def test_names_with_a_common_prefix_do_not_disturb_each_other(tmp_path, living, next_name):
    process = started(WRITER.format(path=str(tmp_path / living), content="whole"))
    with directory(tmp_path / next_name) as folder:
        (folder / "own").write_text("")
    with atomic_file(tmp_path / f"{next_name}.txt") as file:
        file.write("own")
    delete_leftovers(tmp_path)
    assert ended(process) == 0
    assert [entry.name for entry in (tmp_path / living).iterdir()] == ["whole"]
    assert not list(tmp_path.glob(".*"))


def test_a_folder_that_another_process_replaces_during_the_check_is_looked_at_again(tmp_path):
    seen = []

    def replaced_once(folder):
        seen.append((folder / "a").read_text())
        if len(seen) == 1:  # as another writer replaces it: the new folder often gets the inode of the old one
            shutil.rmtree(folder)
            folder.mkdir()
            (folder / "a").write_text("new")
            return False
        return True

    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "a").write_text("old")
    require_replaceable(tmp_path / "v", what="example", is_own=replaced_once)
    assert seen == ["old", "new"]


def test_concurrent_writers_leave_one_complete_folder(tmp_path):
    def write(number: int) -> None:
        for _ in range(20):
            with directory(tmp_path / "v") as folder:
                for name in ("a", "b"):
                    (folder / name).write_text(str(number))

    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(write, range(4)):
            pass
    assert len({(tmp_path / "v" / name).read_text() for name in ("a", "b")}) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["v"]


def test_the_next_writer_deletes_the_partial_file_of_a_killed_process(tmp_path):
    program = f"""
        import time
        from cnn_mellin.atomic import atomic_file
        with atomic_file({str(tmp_path / "a.txt")!r}) as file:
            print("writing", flush=True)
            time.sleep(60)
    """
    process = started(program)
    with atomic_file(tmp_path / "a.txt") as file:  # the writer is alive
        file.write("own")
    assert len(list(tmp_path.glob(".a.txt.*.partial"))) == 1
    process.kill()
    ended(process)
    with atomic_file(tmp_path / "a.txt") as file:
        file.write("whole")
    assert [entry.read_text() for entry in tmp_path.iterdir()] == ["whole"]


def test_leftovers_of_earlier_versions_are_deleted_or_restored(tmp_path):
    for name in (".v.abcd_123.partial/old", ".w.abcd_123.partial/old", "w", ".x.abcd_123.partial"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / ".v.abcd_123.partial" / "old" / "data").write_text("")
    (tmp_path / ".y.abcd_123.partial").write_text("")
    for other in (".keep.partial", ".v.ABCD1234.partial", "v.abcd1234.partial"):
        (tmp_path / other).write_text("not ours")
    delete_leftovers(tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        ".keep.partial", ".v.ABCD1234.partial", "v", "v.abcd1234.partial", "w",
    ]  # fmt: skip
    assert [entry.name for entry in (tmp_path / "v").iterdir()] == ["data"]


def test_a_file_or_folder_of_another_kind_is_not_replaced(tmp_path, monkeypatch):
    (tmp_path / "here" / "thesis").mkdir(parents=True)
    (tmp_path / "file").write_text("precious")
    monkeypatch.chdir(tmp_path / "here")
    cases = {"thesis/..": "here", "..": "here", "/": "here", ".": "here", "../file": "is not a folder"}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes").write_text("precious")
    (tmp_path / "link").symlink_to("other")
    cases |= {"../other": "is not an example; name another folder", "../link": "is not an example; name another folder"}
    for name, message in cases.items():
        message = "is the current folder or holds it; name a new folder" if message == "here" else message
        with (
            pytest.raises(DataError, match=f"^{re.escape(name)}: .*{message}"),
            atomic_directory(name, what="example", is_own=lambda _: False),
        ):
            pass
    assert (tmp_path / "file").read_text() == (tmp_path / "other" / "notes").read_text() == "precious"
    with atomic_directory("thesis", what="example", is_own=lambda _: False) as folder:  # it is empty
        (folder / "new").write_text("")
    assert (tmp_path / "here" / "thesis" / "new").exists()


def test_a_folder_that_appears_during_writing_is_not_replaced(tmp_path):
    def write() -> None:
        with atomic_directory(tmp_path / "new" / "v", what="example", is_own=lambda _: False) as folder:
            (folder / "whole").write_text("")
            (tmp_path / "new" / "v").mkdir()
            (tmp_path / "new" / "v" / "notes").write_text("precious")

    with pytest.raises(DataError, match="exists and is not an example"):
        write()
    assert (tmp_path / "new" / "v" / "notes").read_text() == "precious"
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["v"]


def test_a_symbolic_link_to_a_folder_is_kept(tmp_path):
    (tmp_path / "far" / "v").mkdir(parents=True)
    (tmp_path / "v").symlink_to("far/v")
    with directory(tmp_path / "v") as folder:
        (folder / "new").write_text("")
    assert (tmp_path / "v").is_symlink()
    assert (tmp_path / "far" / "v" / "new").exists()


def test_parent_folders_are_removed_again_after_an_error(tmp_path):
    def fail() -> None:
        with directory(tmp_path / "a" / "b" / "c"):
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_written_to_and_kept(tmp_path):
    with atomic_file("/dev/null") as file:
        file.write("gone")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(IsADirectoryError, match="is a folder; name a file in it"), atomic_file(tmp_path):
        pass
    with (
        pytest.raises(OSError, match="the name has more than 237 bytes; shorten it"),
        atomic_file(tmp_path / (240 * "a")),
    ):
        pass
