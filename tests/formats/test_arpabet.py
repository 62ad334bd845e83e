import unicodedata

from cnn_mellin.formats.arpabet import arpabet_to_ipa, without_stress
from cnn_mellin.formats.phone_sets import phone_set


def test_holds_the_phones_of_timit_and_of_cmu():
    arpabet = arpabet_to_ipa()
    assert {phone.upper() for size in (61, 48, 39) for phone in phone_set(size)} <= set(arpabet)
    spoken = {symbol: ipa for symbol, ipa in arpabet.items() if ipa}
    assert len(spoken) == 53
    assert len(set(spoken.values())) == len(spoken)
    assert all(ipa == unicodedata.normalize("NFD", ipa) for ipa in spoken.values())


def test_stress_is_removed():
    assert [without_stress(symbol) for symbol in ("AH0", "ER2", "K", "1", "H#")] == ["AH", "ER", "K", "1", "H#"]
