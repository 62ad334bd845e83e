import math
import tracemalloc
from pathlib import Path

import pytest

from cnn_mellin.corpora.utterance import TimedPhone, Utterance
from cnn_mellin.data.ext_folder import estimate_language_model, part_perplexities, write_ext_folder
from cnn_mellin.data.labelling import corpus_labelling, timit_labelling
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.formats.scoring_folding import is_folded
from cnn_mellin.formats.transcripts import read_trn


def said(name: str, *symbols: str, gender: str = "") -> Utterance:
    return Utterance(name, name[0], Path(f"{name}.wav"), (), transcript=symbols, gender=gender)


def test_perplexity_follows_from_the_probabilities():
    parts = {"train": [said("a", "x", "y"), said("b", "x", "y")], "dev": [said("c", "y", "x")]}
    labelling = corpus_labelling(parts)[0]
    ngrams = estimate_language_model(parts["train"], labelling)
    found = part_perplexities(ngrams, parts, labelling)
    # The training sentence is counted once. x after <s>, y after x and the end after y were seen once each, and each
    # leaves 0.5 to the lower orders, down to 1/3.
    unigram = 0.5 / 3 + 0.5 / 3
    bigram = 0.5 + 0.5 * unigram
    trigram = 0.5 + 0.5 * bigram
    probability = bigram * trigram * trigram  # the longest context of the first symbol is <s>
    assert found["train"] == pytest.approx(math.exp(-math.log(probability) / 3), rel=1e-6)
    assert found["dev"] > found["train"]


def test_the_perplexity_of_a_model_of_thousands_of_words_needs_no_table_of_them():
    words = [f"w{i}" for i in range(2500)]
    parts = {"train": [said("a", *words)]}
    labelling = corpus_labelling(parts)[0]
    ngrams = estimate_language_model(parts["train"], labelling)
    assert len(ngrams[0]) == 2502
    bigram = 0.5 + 0.5 * (0.5 / 2501 + 0.5 / 2501)
    trigram = 0.5 + 0.5 * bigram
    expected = math.exp(-(math.log(bigram) + 2500 * math.log(trigram)) / 2501)
    tracemalloc.start()
    found = part_perplexities(ngrams, parts, labelling)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000  # a table of contexts and words has 100 MB
    tracemalloc.stop()
    assert found["train"] == pytest.approx(expected, rel=1e-6)


def write(folder: Path, utterances: list[Utterance], labelling) -> set[str]:
    folder.mkdir()
    with write_partition(folder / "train", PartitionDescription(1)) as writer:
        for utterance in utterances:
            writer.add(utterance.utterance_id, [[0.0]] * 9, [0])
    parts = {"train": utterances}
    write_ext_folder(folder, parts, labelling, estimate_language_model(utterances, labelling), 16000)
    return {path.name for path in (folder / "ext").iterdir()}


def test_unknown_properties_have_no_file(tmp_path):
    always = {
        "token2id.txt",
        "id2token.txt",
        "lm.arpa.gz",
        "utt2spk",
        "train.ref.trn",
        "train.info.ark",
        "scoring.json",
    }
    untimed = [said("a", "q"), said("b", "ix", gender="f")]
    assert write(tmp_path / "untimed", untimed, corpus_labelling({"train": untimed})[0]) == always
    assert not is_folded(tmp_path / "untimed" / "ext")
    assert read_trn(tmp_path / "untimed" / "ext" / "train.ref.trn") == {"a": ["q"], "b": ["ix"]}
    phones = (TimedPhone("q", 0, 800), TimedPhone("ix", 800, 1600))
    timed = [Utterance("a-1", "a", Path("a.wav"), phones, gender="f", dialect="dr1")]
    more = {"spk2gender", "spk2dialect", "train.ref.ctm", "train.ref.stm"}
    assert write(tmp_path / "timed", timed, timit_labelling(48)) == always | more
    assert is_folded(tmp_path / "timed" / "ext", default=False)
    assert (tmp_path / "timed" / "ext" / "train.ref.ctm").read_text() == "a-1 A 0.0500 0.0500 ih\n"
    assert (tmp_path / "timed" / "ext" / "train.ref.stm").read_text() == "a-1 A a 0.0000 0.1000 ih\n"
