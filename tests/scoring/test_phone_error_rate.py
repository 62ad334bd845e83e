import pytest

from cnn_mellin.errors import DataError
from cnn_mellin.scoring.error_counts import ErrorCounts
from cnn_mellin.scoring.phone_error_rate import CONVENTIONS, Convention, phone_error_rate

REFERENCE = "sil sil ah b sil".split()


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_perfect_hypothesis_has_no_error(convention: Convention) -> None:
    result = phone_error_rate({"a": REFERENCE, "b": ["t"]}, {"a": REFERENCE, "b": ["t"]}, convention)
    assert result.percent == 0.0
    assert not result.confusions


@pytest.mark.parametrize(
    ("hypothesis", "kaldi", "merge_sil", "optional_sil"),
    [  # phones, substitutions, deletions, insertions
        ("ah b", (5, 0, 3, 0), (4, 0, 2, 0), (5, 0, 0, 0)),
        ("sil ah b sil", (5, 0, 1, 0), (4, 0, 0, 0), (5, 0, 0, 0)),
        ("sil sil sil ah b sil", (5, 0, 0, 1), (4, 0, 0, 0), (5, 0, 0, 1)),
        ("sil sil ah sil b sil", (5, 0, 0, 1), (4, 0, 0, 1), (5, 0, 0, 1)),
        ("sil sil ah ah b sil", (5, 0, 0, 1), (4, 0, 0, 1), (5, 0, 0, 1)),
        ("t sil ah b sil", (5, 1, 0, 0), (4, 0, 0, 1), (5, 1, 0, 0)),
        ("sil sil b b sil", (5, 1, 0, 0), (4, 1, 0, 0), (5, 1, 0, 0)),
        ("", (5, 0, 5, 0), (4, 0, 4, 0), (5, 0, 2, 0)),
    ],
)
def test_conventions_differ_as_defined(
    hypothesis: str, kaldi: tuple[int, ...], merge_sil: tuple[int, ...], optional_sil: tuple[int, ...]
) -> None:
    expected = dict(zip(CONVENTIONS, (kaldi, merge_sil, optional_sil), strict=True))
    found = {name: phone_error_rate({"a": REFERENCE}, {"a": hypothesis.split()}, name).total for name in CONVENTIONS}
    assert found == {name: ErrorCounts(*counts) for name, counts in expected.items()}


def test_only_silence_is_merged() -> None:
    assert phone_error_rate({"a": ["ah", "ah"]}, {"a": ["ah"]}, "merge-sil").total == ErrorCounts(2, 0, 1, 0)


def test_breakdowns_add_up_to_the_total() -> None:
    references = {"x-1": "sil ah b t sil".split(), "x-2": "sil t sil".split(), "y-1": "sil iy sil".split()}
    hypotheses = {"x-1": "sil ah d sil".split(), "x-2": "sil t t sil".split(), "y-1": "sil ih sil".split()}
    result = phone_error_rate(references, hypotheses)
    by_speaker = result.by_speaker({"x-1": "x", "x-2": "x", "y-1": "y"})
    assert list(by_speaker) == ["x", "y"]
    assert by_speaker["x"] == result.utterances["x-1"] + result.utterances["x-2"]
    for parts in (by_speaker, result.by_phone(), result.utterances):
        assert sum(parts.values(), ErrorCounts()) == result.total
    assert result.by_phone()["iy"] == ErrorCounts(1, 1, 0, 0)
    assert sum(result.confusions.values()) == result.total.errors
    assert result.worst_confusions(1)[0][2] == 1
    phones, matrix = result.confusion_matrix()
    assert phones == ["ah", "b", "d", "ih", "iy", "sil", "t", None]
    assert matrix[phones.index("iy")][phones.index("ih")] == 1
    assert matrix[phones.index("sil")][phones.index("sil")] == 6
    assert sum(map(sum, matrix)) == result.total.num_phones + result.total.insertions


def test_worst_confusions_come_first() -> None:
    result = phone_error_rate({"a": ["b", "b", "p", "t"]}, {"a": ["p", "p", "p", "k"]})
    assert result.worst_confusions() == [("b", "p", 2), ("t", "k", 1)]


def test_empty_transcripts_and_unseen_symbols_are_reported() -> None:
    result = phone_error_rate({"a": ["b"], "c": []}, {"a": [], "c": ["zz", "zz"]})
    assert result.total == ErrorCounts(1, 0, 1, 2)
    assert (result.empty_hypotheses, result.empty_references, result.unseen_symbols) == (["a"], ["c"], {"zz": 2})


def test_missing_utterances_are_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"1 utterances are missing from the hypotheses: b;"):
        phone_error_rate({"a": ["t"], "b": ["t"]}, {"a": ["t"]})
    with pytest.raises(DataError, match=r"2 utterances are missing from the references: b, c;"):
        phone_error_rate({"a": ["t"]}, {"a": ["t"], "b": ["t"], "c": []})
    with pytest.raises(DataError, match="there is no reference"):
        phone_error_rate({}, {})


def test_symbols_outside_the_given_phones_are_refused() -> None:
    with pytest.raises(DataError, match=r"1 symbols of the references are not among the 2 phones: 'q' \(2 times\)"):
        phone_error_rate({"a": ["q", "q"]}, {"a": ["q", "q"]}, phones=["t", "d"])
    with pytest.raises(DataError, match=r"symbols of the hypotheses are not among the 2 phones: 'q'"):
        phone_error_rate({"a": ["t"]}, {"a": ["q"]}, phones=["t", "d"])


def test_wrong_convention_and_speakers_are_named() -> None:
    with pytest.raises(ValueError, match="convention is 'timit'; it must be one of kaldi, merge-sil, optional-sil"):
        phone_error_rate({"a": ["t"]}, {"a": ["t"]}, "timit")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="1 utterances have no speaker: a"):
        phone_error_rate({"a": ["t"]}, {"a": ["t"]}).by_speaker({})


def test_symbols_that_look_like_reference_symbols_are_named() -> None:
    result = phone_error_rate({"u": ["\xe9", "g", "t"]}, {"u": ["e\u0301", "\u0261", "d"]})
    assert result.total.substitutions == 3
    assert "g (U+0067) and \u0261 (U+0261)" in result.remarks[-1]
    assert "symbols e\u0301 (U+0065 U+0301) and \xe9 (U+00E9); " in result.remarks[-1]
    assert len(phone_error_rate({"u": ["t"]}, {"u": ["d"]}).remarks) == 1
