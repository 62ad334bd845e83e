from __future__ import annotations

import pytest

from cnn_mellin.errors import DataError
from cnn_mellin.formats.phone_sets import PHONE_SETS, fold_phones, folding_to, phone_set


@pytest.mark.parametrize("size", PHONE_SETS)
def test_a_set_has_as_many_phones_as_its_name_says(size):
    assert len(phone_set(size)) == size
    assert list(phone_set(size)) == sorted(set(phone_set(size)))


@pytest.mark.parametrize("size", PHONE_SETS)
def test_folding_what_is_folded_changes_nothing(size):
    assert fold_phones(phone_set(size), size) == list(phone_set(size))


@pytest.mark.parametrize("larger", [61, 60, 48])
def test_folding_in_two_steps_is_folding_in_one(larger):
    assert fold_phones(fold_phones(phone_set(61), larger), 39) == fold_phones(phone_set(61), 39)


def test_the_glottal_stop_is_deleted_in_all_but_the_largest():
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
def test_phones_scored_as_one(scored, phones):
    assert {name for name, target in folding_to(39).items() if target == scored} == set(phones.split())


def test_closures_are_voiced_or_voiceless_in_the_set_trained_on():
    assert (
        fold_phones("pcl tcl kcl bcl dcl gcl epi h# zh nx".split(), 48) == "cl cl cl vcl vcl vcl epi sil zh n".split()
    )


def test_an_unknown_phone_is_named_with_its_nearest():
    with pytest.raises(DataError, match=r"a\.phn: 'axx' is no TIMIT phone; did you mean 'ax'"):
        fold_phones(["aa", "axx"], 39, "a.phn")


def test_an_unknown_set():
    with pytest.raises(ValueError, match=r"size is 40; it must be one of \(61, 60, 48, 39\)"):
        folding_to(40)
