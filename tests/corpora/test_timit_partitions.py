from __future__ import annotations

from dataclasses import replace

import pytest

from cnn_mellin.corpora.timit import read_timit
from cnn_mellin.corpora.timit_partitions import FULL_COUNTS, count_timit, timit_partitions
from cnn_mellin.errors import CorpusError


@pytest.fixture(scope="module")
def whole(full_timit):
    return read_timit(full_timit)


@pytest.fixture(scope="module")
def small(tmp_path_factory, synthetic_timit):
    return read_timit(synthetic_timit(tmp_path_factory.mktemp("small"), test=("fzza0", "mzzb0", "fzzc0")))


def _speakers(utterances):
    return sorted({utterance.speaker for utterance in utterances})


@pytest.mark.slow
def test_a_complete_corpus_has_all_counts(whole):
    assert count_timit(whole) == FULL_COUNTS
    parts = timit_partitions(whole)
    assert {name: (len(part), len(_speakers(part))) for name, part in parts.items()} == {
        "train": (3696, 462),
        "dev": (400, 50),
        "test": (192, 24),
    }
    assert not any("-sa" in utterance.utterance_id for part in parts.values() for utterance in part)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("choice", "counts"),
    [
        ({"complete_test": True}, (3696, 400, 1344)),
        ({"large_dev": True}, (3696, 1152, 192)),
        ({"include_sa": True}, (4620, 400, 192)),
        ({"partial": True}, (3696, 400, 192)),
    ],
)
def test_options_change_the_partitions(whole, choice, counts):
    assert tuple(len(part) for part in timit_partitions(whole, **choice).values()) == counts


@pytest.mark.slow
def test_one_missing_utterance_or_phone_is_an_error(whole):
    fewer = [utterance for utterance in whole if utterance.utterance_id != "fxaa0-sa1"]
    with pytest.raises(CorpusError, match=r"is not a whole TIMIT: it has 6299 utterances, not 6300; use partial=True"):
        timit_partitions(fewer)
    i = next(i for i, utterance in enumerate(whole) if utterance.utterance_id.startswith("fdhc0-si"))
    cut = [*whole[:i], replace(whole[i], phones=whole[i].phones[:-1]), *whole[i + 1 :]]
    with pytest.raises(CorpusError, match=r"it has 7214 core-test phones of the 39 set, not 7215"):
        timit_partitions(cut)


def test_a_small_corpus_needs_the_option_partial(small):
    with pytest.raises(CorpusError, match=r"6 speakers, not 630; 3 training speakers, not 462; .*use partial=True"):
        timit_partitions(small)


def test_test_speakers_of_another_corpus_alternate_between_test_and_dev(small):
    parts = timit_partitions(small, partial=True)
    assert _speakers(parts["test"]) == ["fzza0", "mzzb0"]
    assert _speakers(parts["dev"]) == ["fzzc0"]
    assert (len(parts["train"]), len(parts["dev"]), len(parts["test"])) == (24, 8, 16)


def test_speakers_of_TIMIT_keep_their_partition_in_a_partial_corpus(tmp_path, synthetic_timit):  # noqa: N802
    corpus = read_timit(synthetic_timit(tmp_path, test=("fdhc0", "faks0", "fzza0")))
    parts = timit_partitions(corpus, partial=True)
    assert (_speakers(parts["dev"]), _speakers(parts["test"])) == (["faks0"], ["fdhc0"])
    assert _speakers(timit_partitions(corpus, partial=True, large_dev=True)["dev"]) == ["faks0", "fzza0"]
    assert len(_speakers(timit_partitions(corpus, partial=True, complete_test=True)["test"])) == 3


@pytest.mark.parametrize(
    ("leave_out", "why"),
    [("train", "partition train is empty; add speakers to TRAIN"), ("test", "partition dev is empty")],
)
def test_an_empty_partition_is_refused(small, leave_out, why):
    with pytest.raises(CorpusError, match=why):
        timit_partitions([utterance for utterance in small if utterance.part != leave_out], partial=True)


def test_a_corpus_without_utterances_is_refused():
    with pytest.raises(CorpusError, match="is not a whole TIMIT: it has 0 speakers"):
        timit_partitions([])
