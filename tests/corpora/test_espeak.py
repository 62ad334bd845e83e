from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

_JOB = {"voice": "en-us+f2", "rate": 160, "pitch": 50, "range": 50, "seed": 3, "sentences": ["A big dog.", "See."]}


def _synthesise(path, **changes):
    return subprocess.run(
        [sys.executable, "-m", "cnn_mellin.corpora.espeak", str(path)],
        input=json.dumps(_JOB | changes),
        text=True,
        capture_output=True,
        check=False,
    )


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    path = tmp_path_factory.mktemp("espeak") / "a.npz"
    assert _synthesise(path).returncode == 0
    return dict(np.load(path))


def test_phones_and_words_have_positions(speech):
    assert speech["sample_rate_hz"] == 22050
    marks, names = speech["marks_0"], [str(name) for name in speech["names_0"]]
    assert [name.strip("',") for name in names if name and "_" not in name] == ["a#", "b", "I", "g", "d", "0", "g"]
    assert (marks[:, 0] == 1).sum() == 3
    assert (np.diff(marks[marks[:, 0] == 7, 1]) >= 0).all()
    assert marks[-1, 1] <= len(speech["samples_0"])


def test_a_fresh_process_gives_the_same_samples(speech, tmp_path):
    assert _synthesise(tmp_path / "b.npz").returncode == 0
    again = dict(np.load(tmp_path / "b.npz"))
    assert again.keys() == speech.keys()
    assert all(np.array_equal(again[key], speech[key]) for key in speech)


def test_the_rate_parameter_changes_the_speaking_rate(speech, tmp_path):
    assert _synthesise(tmp_path / "b.npz", rate=240).returncode == 0
    assert len(np.load(tmp_path / "b.npz")["samples_0"]) < 0.8 * len(speech["samples_0"])


def test_an_unknown_voice_is_an_error(tmp_path):
    done = _synthesise(tmp_path / "b.npz", voice="tlh+nobody")
    assert done.returncode != 0
    assert "espeak-ng has no voice tlh+nobody" in done.stderr
    assert not (tmp_path / "b.npz").exists()
