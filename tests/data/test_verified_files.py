import os
import time

import pytest

from cnn_mellin.data import verified_files
from cnn_mellin.data.verified_files import (
    files_state,
    forget_verified,
    is_verified,
    remember_verified,
    remember_written,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    write(tmp_path / "data")
    return tmp_path / "data"


def write(folder, text="whole"):
    (folder / "a").write_text(text)
    os.utime(folder / "a", ns=(0, 1_700_000_000_000_000_001))
    time.sleep(0.03)  # so that its change of status, a time that cannot be set, is not in the current tick


def state(folder):
    return files_state(folder, ["a"])


def test_a_state_is_recorded_until_the_record_is_deleted(folder):
    assert not is_verified(folder, state(folder))
    remember_verified(folder, state(folder))
    assert is_verified(folder, state(folder))
    assert is_verified(folder / ".." / "data", state(folder))
    forget_verified(folder, state(folder))
    assert not is_verified(folder, state(folder))


def test_a_file_that_was_rewritten_or_replaced_has_another_state(folder):
    before = state(folder)
    write(folder, "wrong")  # with the same size and modification time
    written = state(folder)
    assert written[0][:2] == before[0][:2]
    assert written != before
    (folder / "b").write_text("wrong")
    os.utime(folder / "b", ns=(0, 1_700_000_000_000_000_001))
    os.replace(folder / "b", folder / "a")
    assert state(folder)[0][:2] == before[0][:2]
    assert state(folder) not in (before, written)


@pytest.mark.parametrize(("age_ns", "remembered"), [(10**6, False), (10**9, True)])
def test_a_state_of_the_current_tick_is_not_recorded(folder, monkeypatch, age_ns, remembered):
    changed_ns = state(folder)[0][2]
    monkeypatch.setattr(time, "time_ns", lambda: changed_ns + age_ns)
    remember_verified(folder, state(folder))
    assert is_verified(folder, state(folder)) == remembered


@pytest.mark.parametrize(("age_ns", "remembered"), [(10**9, False), (3 * 10**9, True)])
def test_times_in_whole_seconds_need_a_greater_age(folder, monkeypatch, age_ns, remembered):
    whole = [[5, 1_700_000_000 * 10**9, 1_700_000_000 * 10**9, 1, 1]]
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000 * 10**9 + age_ns)
    remember_verified(folder, whole)
    assert is_verified(folder, whole) == remembered


def test_records_hold_where_the_same_files_have_another_device_number_but_not_for_other_files(folder):
    remember_verified(folder, state(folder))
    assert is_verified(folder, [[*state(folder)[0][:4], 99]])
    for place in range(4):
        other = state(folder)
        other[0][place] += 1
        assert not is_verified(folder, other)
        remember_verified(folder, other)  # of another machine's disk, whose record stands beside
        assert is_verified(folder, other)
        assert is_verified(folder, state(folder))


def test_files_just_written_are_recorded_as_soon_as_a_change_would_alter_their_state(folder):
    (folder / "a").write_text("written")
    remember_written(folder, ["a"])
    assert is_verified(folder, state(folder))
    (folder / "a").write_text("changed")
    assert not is_verified(folder, state(folder))


def test_without_a_cache_folder_nothing_is_recorded(folder, monkeypatch):
    (folder.parent / "cache").write_text("a file")
    remember_verified(folder, state(folder))
    forget_verified(folder, state(folder))
    assert not is_verified(folder, state(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # relative paths must be ignored
    monkeypatch.setenv("HOME", "/proc/none")
    remember_verified(folder, state(folder))
    assert not is_verified(folder, state(folder))


def test_a_damaged_record_is_ignored(folder):
    remember_verified(folder, state(folder))
    (record,) = (folder.parent / "cache" / "cnn-mellin" / "verified").iterdir()
    for text in ("", "[]", "{}", "\x00"):
        record.write_text(text)
        assert not is_verified(folder, state(folder))


def test_the_number_of_records_is_limited(folder, monkeypatch):
    monkeypatch.setattr(verified_files, "_MOST_RECORDS", 3)
    old = [[5, 1, 1, 1, 1]]
    for number in range(4):
        remember_verified(folder / str(number), old)
        time.sleep(0.01)
    assert [is_verified(folder / str(number), old) for number in range(4)] == [False, False, True, True]
