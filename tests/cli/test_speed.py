from pathlib import Path

import numpy as np
import pytest
import soundfile

from cnn_mellin.cli.main import main
from cnn_mellin.data.partition import read_partition
from cnn_mellin.formats.transcripts import read_trn


@pytest.fixture
def table(tmp_path) -> Path:
    """A table of noise: two speakers, three partitions, symbols of its own."""
    rows = ["audio\ttranscript\tpartition\tspeaker"]
    noise = np.random.default_rng(0)
    for part in ("train", "dev", "test"):
        for name in ("anna", "bert"):
            soundfile.write(tmp_path / f"{name}-{part}.wav", noise.normal(0, 0.1, 16000), 16000)
            rows.append(f"{name}-{part}.wav\tx y x\t{part}\t{name}")
    path = tmp_path / "corpus.tsv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_every_utterance_is_written_at_every_speaking_rate(table, tmp_path, capsys):
    out = tmp_path / "speed"
    assert main(["--quiet", "speed", "table", str(table), str(out), "--rates", "0.5", "1", "2"]) == 0
    assert capsys.readouterr().out == f"{out}/test: 6 utterances at 3 speaking rates\n"
    partition = read_partition(out / "test")
    frames = {name: len(partition.features_of(i)) for i, name in enumerate(partition.utterance_ids)}
    assert frames["anna-test_rate1"] == pytest.approx(100, abs=2)
    assert frames["anna-test_rate0.5"] == pytest.approx(200, abs=2)
    assert frames["anna-test_rate2"] == pytest.approx(50, abs=2)
    assert set(read_trn(out / "ext" / "test.ref.trn")) == set(frames)
    assert "bert-test_rate0.5 0.5\n" in (out / "ext" / "utt2rate").read_text()


def test_at_speaking_rate_one_features_equal_those_of_prep(table, tmp_path):
    assert main(["--quiet", "prep", "table", str(table), str(tmp_path / "data")]) == 0
    assert main(["--quiet", "speed", "table", str(table), str(tmp_path / "speed"), "--rates", "1"]) == 0
    prepared = read_partition(tmp_path / "data" / "fbank-81-10ms" / "test")
    same = read_partition(tmp_path / "speed" / "test")
    assert [f"{name}_rate1" for name in prepared.utterance_ids] == list(same.utterance_ids)
    np.testing.assert_array_equal(prepared.features, same.features)
    np.testing.assert_array_equal(prepared.references[:, 0], same.references[:, 0])


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--rates", "0.1"], "--rates 0.1: must lie in 0.3..3, each once"),
        (["--rates", "1", "1.0"], "--rates 1 1: must lie in 0.3..3, each once"),
        (["--part", "tset"], "the corpus has no partition tset; its partitions are "),
        (["--jobs", "0"], "--jobs 0: must be at least 1"),
    ],
)
def test_wrong_arguments_are_named_and_nothing_is_written(table, tmp_path, capsys, more, why):
    assert main(["speed", "table", str(table), str(tmp_path / "speed"), *more]) == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "speed").exists()


def test_prepared_data_and_speaking_rates_do_not_replace_each_other(table, tmp_path, capsys):
    assert main(["--quiet", "prep", "table", str(table), str(tmp_path / "data")]) == 0
    prepared = tmp_path / "data" / "fbank-81-10ms"
    speed = ["--quiet", "speed", "table", str(table)]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert main([*speed, str(prepared), "--rates", "1"]) == 2
    printed = capsys.readouterr().err
    assert f"cnn-mellin: {prepared}/test: exists and is not a partition at several speaking rates" in printed
    for path in (prepared / "test").iterdir():
        path.rename(tmp_path / f"moved-{path.name}")
    assert main([*speed, str(prepared), "--rates", "1"]) == 2
    assert f"cnn-mellin: {prepared}/ext: belongs to other partitions" in capsys.readouterr().err
    for path in tmp_path.glob("moved-*"):
        path.rename(prepared / "test" / path.name.removeprefix("moved-"))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    for rate in ("1", "2"):
        assert main([*speed, str(tmp_path / "other" / "fbank-81-10ms"), "--rates", rate]) == 0
    assert read_partition(tmp_path / "other" / "fbank-81-10ms" / "test").description.source["rates"] == ["2"]
    assert main(["--quiet", "prep", "table", str(table), str(tmp_path / "other")]) == 2
    assert sorted(path.name for path in (tmp_path / "other" / "fbank-81-10ms").iterdir()) == ["ext", "test"]
