import pytest

from cnn_mellin.formats.look_alikes import look_alike_warning, look_alikes


@pytest.mark.parametrize(
    "group",
    [
        ["e\u0301", "\xe9"],  # decomposed, composed
        ["x", "x\u200b", "\ufeffx"],  # zero-width space, byte-order mark
        ["x", "x\u200d", "x\xad", "x\ufe0f", "\u2060x"],  # joiner, soft hyphen, variation selector, word joiner
        ["\uff4b", "k"],  # full width
        ["\ufb01", "fi"],  # ligature
        ["\u212b", "\xc5", "A\u030a"],  # Angstrom sign, letter
        ["a\u0323\u0307", "a\u0307\u0323"],  # marks in another order
        ["\u0261", "g"],
        ["\u0430", "a"],  # Cyrillic
        ["i:", "i\u02d0"],
        ["\u03b5", "\u025b"],  # Greek epsilon, open e
    ],
)
def test_symbols_that_look_the_same_are_grouped(group):
    assert look_alikes([*group, "b", "t"]) == [sorted(group)]
    warning = look_alike_warning([*group, "b"])
    assert " look the same, but are different; write each in one form" in warning
    for symbol in group:
        assert " ".join(f"U+{ord(letter):04X}" for letter in symbol) in warning


def test_symbols_that_look_different_are_not_grouped():
    symbols = ["t", "t\u02b0", "th", "k\u02b7", "kw", "n\u02b2", "nj", "a", "\u0251", "e", "\xe9", "\u0259", "e\u0303"]
    symbols += ["i", "\u026a", "\u0131", "A", "{", "}", '"', "\u02c8", "'", "\u65e5", "\u0938\u094d", "\u0628"]
    assert look_alikes(symbols) == []
    assert look_alike_warning(symbols) == ""


def test_invisible_characters_are_named():
    warning = look_alike_warning(["ab\u200c", "\u200b", "c"])
    assert warning == (
        "symbols with invisible characters: ab (U+0061 U+0062 U+200C), (U+200B); delete those characters if they mean "
        "nothing"
    )


def test_the_first_groups_are_named_and_the_others_counted():
    symbols = [form for letter in "aeiouy" for form in (letter, letter + "\u200b")]
    assert look_alike_warning(symbols).count("U+200B") == 5
    assert " and 1 more look the same" in look_alike_warning(symbols)
