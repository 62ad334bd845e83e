import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from cnn_mellin.atomic import atomic_directory, atomic_file


def test_file_is_not_there_until_the_block_ends(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_file(path) as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_that_does_not_exist_is_named(tmp_path):
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


def test_directory_replaces_an_older_one_whole(tmp_path):
    path = tmp_path / "d"
    for content in ("first", "second"):
        with atomic_directory(path) as folder:
            (folder / content).write_text(content)
            assert not (path / content).exists()
    assert [entry.name for entry in path.iterdir()] == ["second"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["d"]


def test_directory_is_not_there_after_an_error(tmp_path):
    def fail() -> None:
        with atomic_directory(tmp_path / "d") as folder:
            (folder / "half").write_text("")
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_deleted_by_the_next(tmp_path):
    program = f"""
        import time
        from cnn_mellin.atomic import atomic_directory
        with atomic_directory({str(tmp_path / "d")!r}) as folder:
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
    assert len(list(tmp_path.iterdir())) == 1
    time.sleep(0.01)
    with atomic_directory(tmp_path / "d") as folder:
        (folder / "whole").write_text("")
    assert [entry.name for entry in tmp_path.iterdir()] == ["d"]
