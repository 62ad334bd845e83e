from __future__ import annotations

import numpy as np
import pytest

from cnn_mellin.corpora.demo_labels import timit_labels
from cnn_mellin.formats.phone_sets import phone_set

RATE = 16000


def _tone(length, amplitude=10000.0, frequency_hz=200.0):
    return amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(length) / RATE)


def _hiss(length, amplitude=3000.0):
    return amplitude * np.random.default_rng(0).standard_normal(length)


def _labels(*events):
    """Labels of consecutive events (mnemonic, signal)."""
    firsts = np.cumsum([0] + [len(signal) for _, signal in events[:-1]]).tolist()
    samples = np.concatenate([signal for _, signal in events]).astype(np.int16)
    labels = timit_labels([name for name, _ in events], firsts, samples, RATE)
    assert labels[0].first_sample == 0
    assert labels[-1].end_sample == len(samples)
    assert all(a.end_sample == b.first_sample for a, b in zip(labels[:-1], labels[1:], strict=True))
    return labels


def _symbols(labels):
    return [label.symbol for label in labels]


def test_plain_phones_begin_where_their_events_do():
    labels = _labels(("_:", np.zeros(1000)), ("s", _hiss(2000)), ("'i:", _tone(3000)), ("_:", np.zeros(500)))
    assert [(label.symbol, label.first_sample) for label in labels] == [
        ("h#", 0),
        ("s", 1000),
        ("iy", 3000),
        ("h#", 6000),
    ]


def test_speech_up_to_both_ends_still_has_both_silences():
    labels = _labels(("w", _tone(1000)), ("i:", _tone(1000)))
    assert _symbols(labels) == ["h#", "w", "iy", "h#"]
    assert labels[0].end_sample == 0
    assert labels[-1].first_sample == 2000


def test_a_vowel_with_r_is_two_labels_of_equal_length():
    labels = _labels(("A@", _tone(2000)), ("s", _hiss(500)))
    assert [(label.symbol, label.first_sample) for label in labels[1:3]] == [("aa", 0), ("r", 1000)]


def test_the_silence_before_a_stop_is_its_closure():
    vowel = np.concatenate([_tone(2000), np.zeros(800)])
    labels = _labels(("a", vowel), ("t", _hiss(700)), ("a", _tone(1000)))
    assert _symbols(labels) == ["h#", "ae", "tcl", "t", "ae", "h#"]
    assert labels[2].first_sample == pytest.approx(2000, abs=RATE * 0.005)
    assert labels[3].first_sample == 2800


def test_quiet_noise_counts_as_silence():
    vowel = np.concatenate([_tone(2000), _hiss(800, 30)])
    labels = _labels(("a", vowel), ("k", _hiss(700)), ("a", _tone(1000)))
    assert labels[2].symbol == "kcl"
    assert labels[2].first_sample == pytest.approx(2000, abs=RATE * 0.005)


def test_a_silent_phone_keeps_half_of_its_duration():
    labels = _labels(("a", _tone(2000)), ("l", np.zeros(600)), ("k", _hiss(700)))
    assert [(label.symbol, label.first_sample) for label in labels[2:5]] == [("l", 2000), ("kcl", 2300), ("k", 2600)]


def test_a_voiced_closure_ends_where_the_burst_rises():
    stop = np.concatenate([_tone(1000, 1000), _hiss(300, 4000)])
    labels = _labels(("a", _tone(2000)), ("d", stop), ("a", _tone(1000)))
    assert _symbols(labels) == ["h#", "ae", "dcl", "d", "ae", "h#"]
    assert labels[2].first_sample == 2000
    assert labels[3].first_sample == pytest.approx(3000, abs=RATE * 0.003)


def test_a_stop_after_a_pause_takes_a_short_closure_from_it():
    labels = _labels(("a", _tone(2000)), ("_:", np.zeros(4000)), ("p", _hiss(500)), ("a", _tone(1000)))
    assert _symbols(labels) == ["h#", "ae", "pau", "pcl", "p", "ae", "h#"]
    assert labels[3].first_sample == 6000 - int(0.04 * RATE)


@pytest.mark.parametrize(
    ("mnemonic", "closure", "burst"), [("tS", "tcl", "ch"), ("dZ", "dcl", "jh"), ("b", "bcl", "b"), ("g", "gcl", "g")]
)
def test_each_stop_has_its_closure(mnemonic, closure, burst):
    assert _symbols(_labels(("a", _tone(1000)), (mnemonic, _hiss(900))))[2:4] == [closure, burst]


def test_adjacent_pauses_are_merged():
    pause = np.zeros(500)
    labels = _labels(("_:", pause), ("_", pause), ("m", _tone(900)), ("_:", pause), ("_|", pause), ("n", _tone(900)))
    assert _symbols(labels) == ["h#", "m", "pau", "n", "h#"]
    assert labels[0].end_sample == 1000


def test_elided_and_empty_events_are_not_phones():
    labels = _labels(("m", _tone(900)), ("@", _tone(15)), ("", _tone(100)), (";", _tone(100)), ("n", _tone(900)))
    assert _symbols(labels) == ["h#", "m", "n", "h#"]
    assert _symbols(_labels(("m", _tone(900)), ("@", _tone(16)), ("n", _tone(900))))[2] == "ax"


def test_an_unknown_mnemonic_is_refused():
    with pytest.raises(ValueError, match="mnemonic 'R2' is not in espeak_phones.tsv"):
        _labels(("R2", _tone(900)))


def test_every_phone_of_the_table_is_one_of_TIMIT():  # noqa: N802
    from cnn_mellin.corpora import demo_labels

    labels = {label for labels in demo_labels._table().values() for label in labels}
    assert labels <= set(phone_set(61))
    assert len(labels) > 50
