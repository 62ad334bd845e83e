from __future__ import annotations

from cnn_mellin.corpora.demo_words import timed_words
from cnn_mellin.corpora.utterance import TimedPhone


def _phones(*symbols):
    """Phones of 100 samples each."""
    return [TimedPhone(symbol, 100 * i, 100 * (i + 1)) for i, symbol in enumerate(symbols)]


def _times(sentence, positions, first_samples, phones):
    words = timed_words(sentence, positions, first_samples, phones)
    return [(word.word, word.first_sample, word.end_sample) for word in words]


def test_a_word_begins_with_the_closure_of_its_first_stop():
    phones = _phones("h#", "ay", "dcl", "d", "ay", "h#")
    assert _times("I die.", [0, 2], [100, 300], phones) == [("i", 100, 200), ("die", 200, 500)]


def test_a_pause_does_not_belong_to_a_word():
    phones = _phones("h#", "ay", "pau", "s", "iy", "h#")
    assert _times("I, see?", [0, 3], [100, 240], phones) == [("i", 100, 200), ("see", 300, 500)]


def test_words_with_a_common_mark_share_its_time():
    phones = _phones("h#", "ao", "n", "dh", "ax", "m", "uw", "n", "h#")
    expected = [("on", 100, 300), ("the", 300, 500), ("moon", 500, 800)]
    assert _times("On the moon", [0, 7], [100, 500], phones) == expected


def test_every_word_has_a_phone_wherever_the_marks_are():
    phones = _phones("h#", "ax", "ay", "ax", "h#")
    expected = [("a", 100, 200), ("i", 200, 300), ("a", 300, 400)]
    assert _times("A I a", [0, 2, 4], [390, 390, 390], phones) == expected
    assert _times("A I a", [0, 2, 4], [0, 0, 0], phones) == expected
