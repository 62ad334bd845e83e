import importlib
from types import ModuleType

import pytest
import torch

from cnn_mellin.corpora import read_timit
from cnn_mellin.corpora.demo import make_demo_corpus


@pytest.fixture(scope="module")
def segments() -> ModuleType:
    return importlib.import_module("segments")


def some(segments, frames: torch.Tensor, onsets, firsts, lasts, durations=None, phones=None):
    places = [torch.tensor(values, dtype=torch.float64) for values in (firsts, lasts, onsets)]
    number = len(onsets)
    return segments.Segments(
        frames,
        *places,
        torch.tensor(durations or [100.0] * number, dtype=torch.float64),
        torch.tensor(phones or [0] * number),
        tuple("ab"[i % 2] for i in range(number)),
    )


def test_log_time_and_its_control_have_the_same_weights_all_live(segments):
    for time, log_time in segments.pairs():
        assert time in segments.ARMS
        assert (time.tempo, time.log_time, log_time.log_time) == (log_time.tempo, False, True)
        models = [segments.build(arm, 5, 1) for arm in (time, log_time)]
        first, second = (dict(model.named_parameters()) for model in models)
        assert all(torch.equal(first[name], second[name]) for name in second)
        assert first.keys() == second.keys()
        for model in models:
            assert model.front.tap_table().dead_rows == ()
        assert models[1].front.tap_table().most_ratios == segments.WINDOWS[log_time.window].kernel
    assert {pair[1].name for pair in segments.pairs()} == {arm.name for arm in segments.ARMS if arm.log_time}


def test_windows_of_stretched_speech_are_those_of_the_speech_read_more_slowly(segments):
    slow = torch.arange(60.0).unsqueeze(1).repeat(1, 2).sin()
    fast = slow[::2]  # frame i of the fast speech is frame 2 i of the slow one
    one = some(segments, fast, [5.0], [0], [29])
    other = some(segments, slow, [10.0], [0], [59])
    chosen = torch.tensor([0])
    of_both = [one.windows(chosen, 8, 2.0)[..., 1::2], other.windows(chosen, 8)[..., 1::2]]
    torch.testing.assert_close(*of_both)  # where the fast speech has frames
    assert not torch.allclose(one.windows(chosen, 8), other.windows(chosen, 8))


def test_windows_never_reach_into_another_utterance(segments):
    frames = torch.cat([torch.full((4, 2), 1.0), torch.full((5, 2), 2.0), torch.full((6, 2), 3.0)])
    three = some(segments, frames, [2.7, 4.2, 14.0], [0, 4, 9], [3, 8, 14])
    for stretch in (0.1, 1.0, 3.0):
        for shift in (-20.0, 0.0, 20.0):
            windows = three.windows(torch.arange(3), 6, stretch, torch.full((3,), shift))
            assert windows.shape == (3, 2, 6)
            assert windows.flatten(1).unique(dim=1).flatten().tolist() == [1.0, 2.0, 3.0]


def test_fifths_are_of_durations_relative_to_the_phone(segments):
    durations = [10.0 * i for i in range(1, 11)] + [100.0 * i for i in range(1, 11)]
    both = some(segments, torch.zeros(1, 2), [0.0] * 20, [0] * 20, [0] * 20, durations, [0] * 10 + [1] * 10)
    fifths = segments.fifths_by_duration(both)
    assert sorted(fifths[0].tolist()) == [0, 1, 10, 11]
    assert sorted(torch.cat(fifths).tolist()) == list(range(20))


@pytest.mark.slow
def test_all_of_it_runs_and_a_second_run_trains_nothing(segments, tmp_path, monkeypatch):
    make_demo_corpus(tmp_path / "corpus", 40, 1, jobs=1, quiet=True)
    monkeypatch.setattr(segments, "SEGMENTS", {"train": 300, "test": 100})
    monkeypatch.setattr(segments, "WINDOWS", dict(list(segments.WINDOWS.items())[:2]))
    monkeypatch.setattr(segments, "ARMS", [arm for arm in segments.ARMS if arm.window in segments.WINDOWS])
    command = [str(tmp_path / "corpus"), str(tmp_path / "out"), "--seeds", "2", "--epochs", "1"]
    segments.main(command)
    text = (tmp_path / "out" / "segments.md").read_text(encoding="utf-8")
    assert text.count("| 80 ms from frame 1 + tempo: log time - time ") == 4
    assert text.count("| 80 ms: that less that at 1 ") == 2
    assert (tmp_path / "out" / "segments.png").stat().st_size > 10_000
    read, phones = segments.read_segments(tmp_path / "corpus", tmp_path / "out" / "segments.pt")
    assert segments.SILENCE not in phones
    assert {partition: len(of) for partition, of in read.items()} == {"train": 300, "test": 100}
    speakers = {part: {u.speaker for u in read_timit(tmp_path / "corpus") if u.part == part} for part in read}
    assert all(set(of.speakers) <= speakers[part] for part, of in read.items())
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "runs").iterdir()}
    assert len(made) == 2 * 6
    first = {path: path.read_text(encoding="utf-8") for path in made}
    segments.main(command)
    assert made == {path: path.stat().st_mtime_ns for path in made}
    again = next(iter(made))
    again.unlink()
    segments.main(command)
    counts = [text.partition('"seconds"')[0] for text in (first[again], again.read_text(encoding="utf-8"))]
    assert counts[0] == counts[1]
    assert (tmp_path / "out" / "segments.md").read_text(encoding="utf-8") == text
