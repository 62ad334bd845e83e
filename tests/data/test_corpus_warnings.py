from pathlib import Path

import pytest

from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.data.corpus_warnings import corpus_warnings
from cnn_mellin.data.labelling import corpus_labelling


def utterance(name: str, transcript: str, speaker: str = "") -> Utterance:
    return Utterance(name, speaker or name, Path(f"{name}.wav"), (), transcript=tuple(transcript))


def warnings(parts: dict[str, list[Utterance]], **durations_s: float) -> list[str]:
    everyone = {u.utterance_id: 1.0 for of_partition in parts.values() for u in of_partition}
    return corpus_warnings(parts, everyone | durations_s, corpus_labelling(parts)[0])


@pytest.fixture
def parts() -> dict[str, list[Utterance]]:
    return {name: [utterance(f"{name}{i}", "ab") for i in range(8)] for name in ("train", "dev", "test")}


def test_an_ordinary_corpus_and_its_limits_give_no_warning(parts):
    assert warnings(parts) == []
    assert warnings(parts, train0=2.0, train1=0.1) == []  # 1 symbol per second; a tenth of the median
    parts["train"][0] = utterance("train0", "ab" * 15)
    assert warnings(parts) == []  # 30 symbols per second


def test_each_kind_is_counted_and_named(parts):
    parts["dev"][0] = utterance("dev0", "ab", "train1")
    assert warnings(parts) == ["1 of 23 speakers are in several partitions: train1 (train, dev)"]
    parts["dev"][0] = utterance("dev0", "abc")
    assert warnings(parts) == []  # corpus_labelling names symbols that training lacks
    parts["train"][0] = utterance("train0", "abxy")
    assert warnings(parts) == ["2 of 5 symbols are only in partition train: x, y"]
    del parts["dev"], parts["test"]
    assert warnings(parts) == []  # there is no other partition


@pytest.mark.parametrize(
    ("duration_s", "lines"),
    [
        (
            10.01,
            ["1 of 24 utterances are over 10 times longer than the median of 1.00 s: dev3 (10.01 s)"]
            + ["1 of 24 utterances have fewer than 1 symbol per second: dev3 (0.20 per second)"],
        ),
        (2.01, ["1 of 24 utterances have fewer than 1 symbol per second: dev3 (1.00 per second)"]),
        (
            0.05,
            ["1 of 24 utterances are over 10 times shorter than the median of 1.00 s: dev3 (0.05 s)"]
            + ["1 of 24 utterances have more than 30 symbols per second: dev3 (40 per second)"],
        ),
    ],
)
def test_lengths_and_speeds_beyond_the_limits(parts, duration_s, lines):
    assert warnings(parts, dev3=duration_s) == lines


def test_only_the_first_five_are_named(parts):
    (line,) = warnings(parts, **{f"train{i}": 3.0 for i in range(7)})
    assert line.endswith(
        "train0 (0.67 per second), train1 (0.67 per second), train2 (0.67 per second), train3 (0.67 per "
        "second), train4 (0.67 per second) and 2 more"
    )
