from pathlib import Path

import pytest

from cnn_mellin.errors import DataError
from cnn_mellin.scoring.system_folder import SystemFolder


def make(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("t (u)\n")
    return folder


def test_files_are_found_by_partition_options_and_seed(tmp_path: Path) -> None:
    make(tmp_path, "1/test.beam-8.lm-0.5.trn", "2/test.beam-8.lm-0.5.trn", "1/dev.trn", "2/dev.trn")
    folder = SystemFolder.read(tmp_path)
    assert folder.settings("test") == {
        "beam-8.lm-0.5": {seed: tmp_path / seed / "test.beam-8.lm-0.5.trn" for seed in ("1", "2")}
    }
    assert list(folder.settings("dev")) == [""]


def test_files_of_a_single_seed_need_no_folder(tmp_path: Path) -> None:
    assert SystemFolder.read(make(tmp_path, "test.trn")).settings("test") == {"": {".": tmp_path / "test.trn"}}


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none: is not a folder"):
        SystemFolder.read(tmp_path / "none")
    with pytest.raises(DataError, match="holds no transcripts"):
        SystemFolder.read(tmp_path)
    make(tmp_path, "1/test.a.trn", "2/test.a.trn", "2/test.b.trn")
    with pytest.raises(DataError, match=r"test.b.trn is missing for the seeds 1; decode them too"):
        SystemFolder.read(tmp_path)
    make(tmp_path, "1/test.b.trn")
    with pytest.raises(DataError, match="has no transcript of 'dev'; its partitions are test"):
        SystemFolder.read(tmp_path).settings("dev")
    make(tmp_path, "1/.trn")
    with pytest.raises(DataError, match=r"1/.trn: is not named PART.trn"):
        SystemFolder.read(tmp_path)
