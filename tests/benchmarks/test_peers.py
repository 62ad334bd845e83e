from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
import soundfile

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "peers.py"


@pytest.fixture
def corpus(tmp_path) -> Path:
    """A table of short recordings of noise, by two speakers in each partition."""
    generator = np.random.default_rng(1)
    rows = ["audio\ttranscript\tspeaker\tpartition"]
    for part in ("train", "dev", "test"):
        for number in range(8):
            name = f"{part}{number}.wav"
            soundfile.write(tmp_path / name, 0.1 * generator.standard_normal(12000), 16000)
            rows.append(f"{name}\ta b a\t{part}{number % 2}\t{part}")
    (tmp_path / "corpus.tsv").write_text("\n".join(rows) + "\n")
    return tmp_path / "corpus.tsv"


@pytest.mark.soak
def test_a_second_run_trains_nothing_and_reports_the_same(corpus, tmp_path):
    pytest.importorskip("matplotlib")
    program, out = runpy.run_path(str(PROGRAM)), tmp_path / "out"
    run = program["main"]
    command = [str(corpus), str(out), "--systems", "--minutes", "0.01", "0.02", "--seeds", "2", "1"]
    run(command)
    text = (out / "peers.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| cnn-mellin")]
    assert [row.split("|")[1].strip() for row in rows] == [
        "cnn-mellin",
        "cnn-mellin with 5-grams",
        "cnn-mellin, ensemble with 5-grams",
    ]
    assert "0.01 min, 2 seed(s)" in text
    assert "0.02 min, 1 seed(s)" in text
    assert [len(list((out / "cnn-mellin" / f"seed{seed}").glob("*.trn"))) for seed in (1, 2)] == [6, 3]
    assert (out / "peers.png").stat().st_size > 5000
    trained = {path: path.stat().st_mtime_ns for path in out.rglob("*.pt")}
    assert {path.parent.name for path in trained} == {"fast-lcorr-1-epochs-1"}
    run(command)
    assert trained == {path: path.stat().st_mtime_ns for path in out.rglob("*.pt")}
    assert (out / "peers.md").read_text() == text
    models = [out / "cnn-mellin" / f"seed{seed}" / "fast-lcorr-1-epochs-1" for seed in (1, 2)]
    program["decode_with_ngrams"](out / "data" / "fbank-81-10ms", models, out / "ensemble.trn")
    assert len((out / "ensemble.trn").read_text().splitlines()) == 8


def test_seeds_are_given_once_or_for_each_time(tmp_path, capsys):
    run = runpy.run_path(str(PROGRAM))["main"]
    with pytest.raises(SystemExit) as error:
        run([str(tmp_path), str(tmp_path / "out"), "--minutes", "2", "10", "30", "--seeds", "3", "1"])
    assert error.value.code == 2
    assert "--seeds: has 2 numbers; give one, or one for each of --minutes" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
