from __future__ import annotations

import pytest

from cnn_mellin.errors import DataError
from cnn_mellin.formats.phone_sets import PHONE_SETS, fold_phones, folding_to, phone_set


@pytest.mark.parametrize("size", PHONE_SETS)
def test_a_phone_set_has_the_size_of_its_name(size):
    assert len(phone_set(size)) == size
    assert list(phone_set(size)) == sorted(set(phone_set(size)))


@pytest.mark.parametrize("size", PHONE_SETS)
def test_folding_is_idempotent(size):
    assert fold_phones(phone_set(size), size) == list(phone_set(size))


@pytest.mark.parametrize("larger", [61, 60, 48])
def test_folding_in_two_steps_equals_folding_in_one(larger):
    assert fold_phones(fold_phones(phone_set(61), larger), 39) == fold_phones(phone_set(61), 39)


def test_the_glottal_stop_is_deleted_in_all_sets_except_the_largest():
    assert fold_phones(["q"], 61) == ["q"]
    assert all(fold_phones(["q"], size) == [] for size in (60, 48, 39))


# Lee and Hon (1989): the classes that are scored as one.
@pytest.mark.parametrize(
    ("scored", "phones"),
    [
        ("sil", "h# pau epi bcl dcl gcl pcl tcl kcl cl vcl sil"),
        ("aa", "aa ao"),
        ("ah", "ah ax ax-h"),
        ("er", "er axr"),
        ("hh", "hh hv"),
        ("ih", "ih ix"),
        ("l", "l el"),
        ("m", "m em"),
        ("n", "n en nx"),
        ("ng", "ng eng"),
        ("sh", "sh zh"),
        ("uw", "uw ux"),
    ],
)
def test_these_phones_are_scored_as_one(scored, phones):
    assert {name for name, target in folding_to(39).items() if target == scored} == set(phones.split())


def test_the_48_set_distinguishes_voiced_and_voiceless_closures():
    assert (
        fold_phones("pcl tcl kcl bcl dcl gcl epi h# zh nx".split(), 48) == "cl cl cl vcl vcl vcl epi sil zh n".split()
    )


def test_the_error_suggests_a_known_phone():
    with pytest.raises(DataError, match=r"a\.phn: 'axx' is no TIMIT phone; did you mean 'ax'"):
        fold_phones(["aa", "axx"], 39, "a.phn")


def test_an_unknown_set_is_refused():
    with pytest.raises(ValueError, match=r"size is 40; it must be one of \(61, 60, 48, 39\)"):
        folding_to(40)
