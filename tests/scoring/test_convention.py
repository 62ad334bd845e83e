import pytest

from cnn_mellin.scoring.convention import CONVENTIONS, align_by_convention, is_right


def test_conventions_see_silence_differently() -> None:
    reference, hypothesis = "sil sil t t sil".split(), ["t", "t"]
    said = [("t", "t"), ("t", "t")]
    missed = ("sil", None)
    assert {name: align_by_convention(reference, hypothesis, name) for name in CONVENTIONS} == {
        "kaldi": [missed, missed, *said, missed],
        "merge-sil": [missed, *said, missed],
        "optional-sil": [missed, missed, *said, missed],
    }


def test_only_optional_silence_may_be_missing() -> None:
    assert [is_right(("sil", None), name) for name in CONVENTIONS] == [False, False, True]
    for name in CONVENTIONS:
        assert is_right(("t", "t"), name)
        assert not any(is_right(pair, name) for pair in (("t", None), (None, "sil"), ("sil", "t"), ("t", "d")))


def test_unknown_convention_is_named() -> None:
    with pytest.raises(ValueError, match="convention is 'x'; it must be one of kaldi, merge-sil, optional-sil"):
        align_by_convention([], [], "x")  # type: ignore[arg-type]
