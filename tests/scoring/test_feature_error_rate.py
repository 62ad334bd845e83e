"""Phone feature error rate: hand-made cases, a slow loop, panphon's own distance, and laws."""

import itertools
import random
import time

import pytest

from cnn_mellin.errors import DataError
from cnn_mellin.scoring.feature_error_rate import feature_error_rate

panphon = pytest.importorskip("panphon", reason="panphon is not installed (the extra features)")

SEGMENTS = ["p", "b", "t", "d", "k", "ɡ", "m", "n", "s", "z", "ʃ", "t͡ʃ", "a", "ã", "i", "u", "ə", "ɯ̃", "kʰ"]


@pytest.fixture(scope="module")
def table():
    return panphon.FeatureTable()


def distance_by_definition(reference: list[str], hypothesis: list[str], table) -> int:
    """Lowest number of wrong features over all ways to align, by recursion; features are compared by name."""
    features = {segment: dict(table.fts(segment)) for segment in {*reference, *hypothesis}}

    def lowest(i: int, j: int) -> int:
        if i == len(reference) or j == len(hypothesis):
            return 24 * (len(reference) - i + len(hypothesis) - j)
        spoken, recognised = features[reference[i]], features[hypothesis[j]]
        wrong = sum(spoken[name] != recognised[name] for name in table.names)
        return min(wrong + lowest(i + 1, j + 1), 24 + lowest(i + 1, j), 24 + lowest(i, j + 1))

    return lowest(0, 0)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "wrong_features", "num_segments"),
    [
        ("p a", "p a", 0, 2),
        ("p a", "b a", 1, 2),  # voice
        ("p a", "m a", 3, 2),  # sonorant, nasal, voice
        ("p a t", "p a", 24, 3),
        ("p", "p a t", 48, 1),
        ("a", "", 24, 1),
        ("", "a a", 48, 0),
        ("aɪ", "a", 24, 2),  # a diphthong is two segments
        ("t͡ʃ", "ʃ", 2, 1),  # continuant, delayed release
        ("a x1", "a x1", 0, 2),
        ("?", "!", 24, 1),  # neither is known
        ("? a", "a", 24, 2),
    ],
)
def test_hand_made_cases(reference, hypothesis, wrong_features, num_segments):
    result = feature_error_rate(
        {"a": reference.split(), "b": ["ʃ", "i"]}, {"a": hypothesis.split(), "b": ["ʃ", "i"]}
    ).utterances["a"]
    assert (result.wrong_features, result.num_segments) == (wrong_features, num_segments)


@pytest.mark.slow
def test_equal_to_a_slow_loop_and_to_panphon(table):
    stream = random.Random(0)
    references, hypotheses = (
        {f"u{n}": stream.choices(SEGMENTS, k=stream.randrange(6)) for n in range(60)} for _ in range(2)
    )
    result = feature_error_rate(references, hypotheses)
    from panphon.distance import Distance

    panphon_distance = Distance().hamming_feature_edit_distance
    for name, counts in result.utterances.items():
        assert counts.wrong_features == distance_by_definition(references[name], hypotheses[name], table), name
        expected = panphon_distance("".join(hypotheses[name]), "".join(references[name]))
        assert counts.distance == pytest.approx(expected), name
    assert result.total.wrong_features == sum(counts.wrong_features for counts in result.utterances.values())
    assert result.total.num_segments == sum(map(len, references.values()))
    assert result.percent == pytest.approx(100 * result.total.distance / result.total.num_segments)


def test_utterances_of_all_lengths_together_equal_each_alone():
    """More utterances than one batch holds."""
    stream = random.Random(1)
    lengths = list(itertools.product(range(24), range(24)))
    references = {f"{r}-{h}": stream.choices(SEGMENTS, k=r) for r, h in lengths}
    hypotheses = {f"{r}-{h}": stream.choices(SEGMENTS, k=h) for r, h in lengths}
    together = feature_error_rate(references, hypotheses)
    for name in references:
        alone = feature_error_rate({name: references[name]}, {name: hypotheses[name]})
        assert alone.utterances[name] == together.utterances[name], name


def test_metric():
    """Symmetric, zero only for equal sequences, triangle inequality."""
    stream = random.Random(2)
    words = [stream.choices(SEGMENTS, k=stream.randrange(1, 7)) for _ in range(30)]
    pairs = list(itertools.product(range(30), repeat=2))
    spoken, recognised = ({f"{i}-{j}": words[(i, j)[side]] for i, j in pairs} for side in (0, 1))
    result = feature_error_rate(spoken, recognised).utterances
    of = {(i, j): result[f"{i}-{j}"].wrong_features for i, j in pairs}
    for i, j in pairs:
        assert of[i, j] == of[j, i]
        assert (of[i, j] == 0) == (words[i] == words[j])
        assert all(of[i, j] <= of[i, k] + of[k, j] for k in range(30))


def test_arpabet_with_or_without_stress_equals_its_ipa():
    spoken, recognised = "TH R IY0 AH1 CH AY2".split(), "T R IH0 CH AE".split()
    in_ipa = "θ ɹ i ʌ t͡ʃ aɪ".split(), "t ɹ ɪ t͡ʃ æ".split()
    arpabet = feature_error_rate({"a": spoken}, {"a": recognised})
    small = feature_error_rate({"a": ["sil", *map(str.lower, spoken)]}, {"a": [*map(str.lower, recognised), "h#"]})
    ipa = feature_error_rate({"a": in_ipa[0]}, {"a": in_ipa[1]})
    assert arpabet.total == small.total == ipa.total
    assert ipa.total.num_segments == 7
    assert (arpabet.alphabet, small.alphabet, ipa.alphabet) == ("arpabet", "arpabet", "ipa")
    assert small.silences == {"h#": 1, "sil": 1}


def test_every_arpabet_symbol_has_features():
    from cnn_mellin.formats.arpabet import arpabet_to_ipa
    from cnn_mellin.formats.phone_sets import phone_set

    result = feature_error_rate({"a": [*arpabet_to_ipa(), *phone_set(61)]}, {"a": []})
    assert (result.unknown, result.ignored, result.alphabet) == ({}, {}, "arpabet")


def test_unknown_symbols_and_parts_are_named():
    result = feature_error_rate(
        {"a": ["a", "tˢ", "h\u0303", "%%", "sil"]}, {"a": ["a", "tˢ", "h\u0303", "%%", "@", "@"]}
    )
    assert result.unknown == {"%%": 2, "@": 2}
    assert result.ignored == {"h\u0303": "\u0303", "tˢ": "ˢ"}
    assert result.total.wrong_features == 48
    assert result.remarks == [
        "features: read as IPA, 4 segments, distance 2.0000 per utterance",
        "features: left out as silence: sil 1 times",
        "features: without known features: %% 2 times, @ 2 times",
        "features: read in part: h\u0303 without U+0303, tˢ without ˢ",
    ]


def test_by_speaker():
    result = feature_error_rate({"a": ["p"], "b": ["a", "a"], "c": ["a"]}, {"a": ["b"], "b": ["a"], "c": ["a"]})
    speakers = result.by_speaker({"a": "x", "b": "y", "c": "x"})
    assert {name: (c.num_utterances, c.num_segments, c.wrong_features) for name, c in speakers.items()} == {
        "x": (2, 2, 1),
        "y": (1, 2, 24),
    }


def test_other_utterances_are_refused():
    with pytest.raises(DataError, match="1 utterances are missing from the hypotheses: b"):
        feature_error_rate({"a": ["p"], "b": ["p"]}, {"a": ["p"]})


def test_fast():
    """Five thousand utterances of forty phones."""
    stream = random.Random(3)
    feature_error_rate({"a": SEGMENTS}, {"a": []})  # reads panphon's table
    references, hypotheses = ({str(n): stream.choices(SEGMENTS, k=40) for n in range(5000)} for _ in range(2))
    start = time.process_time()
    feature_error_rate(references, hypotheses)
    assert time.process_time() - start < 5
