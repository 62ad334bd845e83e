import numpy as np
import pytest

from cnn_mellin.scoring.phone_error_rate import phone_error_rate
from cnn_mellin.scoring.significance.speaker_errors import SpeakerErrors, check_comparable

REFERENCES = {"b-1": ["t", "d"], "a-1": ["t"], "b-2": ["k"]}
SPEAKERS = {"b-1": "b", "b-2": "b", "a-1": "a"}


def test_errors_are_collected_by_seed_and_speaker() -> None:
    first = phone_error_rate(REFERENCES, {"b-1": ["t", "k"], "a-1": [], "b-2": ["k", "k"]})
    second = phone_error_rate(REFERENCES, REFERENCES)
    errors = SpeakerErrors.of([first, second], SPEAKERS)
    assert errors.speakers == ("a", "b")
    assert errors.num_phones.tolist() == [1, 3]
    assert errors.errors.tolist() == [[1, 2], [0, 0]]
    assert errors.percent == pytest.approx((first.percent + second.percent) / 2)


def test_different_references_are_refused() -> None:
    first = phone_error_rate(REFERENCES, REFERENCES)
    longer = {**REFERENCES, "a-1": ["t", "t"]}
    other = phone_error_rate(longer, longer)
    with pytest.raises(ValueError, match="results are of different references"):
        SpeakerErrors.of([first, other], SPEAKERS)
    with pytest.raises(ValueError, match="first and second are of different references"):
        check_comparable(SpeakerErrors.of([first], SPEAKERS), SpeakerErrors.of([other], SPEAKERS))
    with pytest.raises(ValueError, match="results are empty"):
        SpeakerErrors.of([], SPEAKERS)
    with pytest.raises(ValueError, match="the references have no phone"):
        SpeakerErrors.of([phone_error_rate({"a-1": []}, {"a-1": ["t"]})], SPEAKERS)


def test_systems_of_the_same_references_compare() -> None:
    one = SpeakerErrors(("a",), np.array([3]), np.array([[1]]))
    check_comparable(one, SpeakerErrors(("a",), np.array([3]), np.array([[2], [0]])))
