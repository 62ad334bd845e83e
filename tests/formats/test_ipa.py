import unicodedata

import pytest

from cnn_mellin.formats.ipa import in_one_form, ipa_phones


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        ("səkvɯ", "s ə k v ɯ"),
        ("ʔut͡ɕʰiboɹa", "ʔ u t͡ɕʰ i b o ɹ a"),
        ("kɕie", "k ɕ i e"),
        ("k͜pʷã̰ː", "k͜pʷ ã̰ː"),
        ("a \tʰk n̩", "a ʰ k n̩"),  # a modifier without a letter before it stands alone
        ("͡a", "͡ a"),
        ("t͡ s", "t͡ s"),
        ("", ""),
    ],
)
def test_letters_take_their_diacritics_and_ties(text, phones):
    assert ipa_phones(text) == [unicodedata.normalize("NFD", phone) for phone in phones.split()]


def test_composed_and_decomposed_text_give_the_same_phones():
    text = "ãçé"
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert ipa_phones(composed) == ipa_phones(decomposed)
    assert len(ipa_phones(composed)) == 3


def test_keyboard_characters_become_those_of_the_ipa():
    assert ipa_phones("gak'") == ["ɡ", "a", "kʼ"]
    assert in_one_form("t͡s’") == "t͡sʼ"
    assert in_one_form(in_one_form("\u1ebdg'")) == in_one_form("\u1ebdg'") == "e\u0303ɡʼ"
