import pytest

from cnn_mellin.corpora.held_out_speakers import held_out_speakers


def test_nearest_to_the_proportion_and_deterministic():
    speakers = {f"s{i}": 20 for i in range(125)}
    chosen = held_out_speakers(speakers, 0.1)
    assert len(chosen) in (12, 13)
    assert chosen == held_out_speakers(dict(reversed(speakers.items())), 0.1)
    assert len(held_out_speakers(speakers, 0.0)) == 1
    assert len(held_out_speakers(speakers, 1.0)) == 124


def test_unequal_speakers():
    counts = {f"s{i}": 1 + i % 7 for i in range(50)}
    taken = sum(counts[speaker] for speaker in held_out_speakers(counts, 0.3))
    assert abs(taken - 0.3 * sum(counts.values())) <= 3.5


def test_one_speaker_is_an_error():
    with pytest.raises(ValueError, match="num_utterances has 1 speakers; a choice needs at least 2"):
        held_out_speakers({"s": 3}, 0.1)
