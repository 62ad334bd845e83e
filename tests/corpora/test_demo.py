from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict

import numpy as np
import pytest

from cnn_mellin.audio.reading import read_audio
from cnn_mellin.corpora import demo
from cnn_mellin.corpora.demo import corpus_digest, make_demo_corpus
from cnn_mellin.corpora.timit import read_timit
from cnn_mellin.corpora.timit_partitions import timit_partitions
from cnn_mellin.errors import UserError
from cnn_mellin.formats.phone_sets import folding_to

_UTTERANCES = 60


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "corpus"
    assert make_demo_corpus(folder, _UTTERANCES, seed=1) is True
    return folder


@pytest.fixture(scope="module")
def utterances(corpus):
    return read_timit(corpus)


def test_the_corpus_has_the_layout_of_timit(corpus, utterances):
    assert len(utterances) == _UTTERANCES
    assert sorted(path.name for path in corpus.iterdir()) == ["TEST", "TRAIN", "demo-corpus.json", "speakers.jsonl"]
    home = utterances[0].audio_path.parent
    assert len(list(home.iterdir())) == 4 * 10
    assert utterances[0].audio_path.read_bytes().startswith(b"NIST_1A\n")


def test_speakers_voices_and_sentences_of_test_are_not_in_train(corpus, utterances):
    speakers = [json.loads(line) for line in (corpus / "speakers.jsonl").read_text().splitlines()]
    for key in ("name", "variant"):
        parts = [{speaker[key] for speaker in speakers if speaker["part"] == part} for part in ("TRAIN", "TEST")]
        assert all(parts)
        assert not parts[0] & parts[1]
    own = [utterance.text for utterance in utterances if "-sa" not in utterance.utterance_id]
    assert len(set(own)) == len(own) == 0.8 * _UTTERANCES
    assert len({utterance.text for utterance in utterances if "-sa" in utterance.utterance_id}) == 2


def test_every_partition_has_utterances(utterances):
    parts = timit_partitions(utterances, partial=True)
    assert {name: len(part) for name, part in parts.items()} == {"train": 32, "dev": 8, "test": 8}


def test_a_thousand_utterances_give_partitions_of_sensible_sizes():
    speakers = demo._speakers(1000, 1)
    assert sum(len(speaker.prompts) for speaker in speakers) == 1000
    assert sum(speaker.part == "TEST" for speaker in speakers) == 25
    sentences = [sentence for speaker in speakers for sentence in speaker.sentences[2:]]
    assert len(set(sentences)) == len(sentences) == 800
    assert 4 <= np.median([len(sentence.split()) for sentence in sentences]) <= 12
    rates = [speaker.rate * 1 / speaker.stretch for speaker in speakers]
    assert max(rates) > 1.5 * min(rates)


def test_labels_cover_the_audio_without_gaps(utterances):
    for utterance in utterances:
        phones = utterance.phones
        assert phones[0].symbol == phones[-1].symbol == "h#"
        assert phones[0].first_sample == 0
        assert phones[-1].end_sample == len(read_audio(utterance.audio_path))
        assert all(a.end_sample == b.first_sample for a, b in zip(phones[:-1], phones[1:], strict=True))
        assert all(phone.end_sample > phone.first_sample for phone in phones)
        assert "h#" not in [phone.symbol for phone in phones[1:-1]]


def test_words_match_the_sentence_and_cover_the_speech(utterances):
    for utterance in utterances:
        spoken = utterance.text.lower().rstrip(".?").replace(",", "").split()
        assert [word.word for word in utterance.words] == spoken
        assert utterance.words[0].first_sample == utterance.phones[1].first_sample
        assert utterance.words[-1].end_sample == utterance.phones[-2].end_sample
        gaps = {phone.first_sample: phone.end_sample for phone in utterance.phones if phone.symbol == "pau"}
        for word, after in zip(utterance.words[:-1], utterance.words[1:], strict=True):
            assert word.first_sample < word.end_sample
            assert after.first_sample == gaps.get(word.end_sample, word.end_sample)


def test_levels_agree_with_the_labels(utterances):
    levels = defaultdict(list)
    for utterance in utterances:
        samples = read_audio(utterance.audio_path).astype(np.float64)
        power = [np.mean(samples[p.first_sample : p.end_sample] ** 2) + 1e-9 for p in utterance.phones]
        for phone, value in zip(utterance.phones, power, strict=True):
            levels[phone.symbol].append(10 * np.log10(value / max(power)))
    median = {symbol: float(np.median(values)) for symbol, values in levels.items()}
    silences = [median[symbol] for symbol in ("h#", "pcl", "tcl", "kcl")]
    vowels = [median[symbol] for symbol in ("aa", "ae", "eh", "iy", "ih", "ow")]
    assert max(silences) < -30
    assert min(vowels) > -10
    assert all(max(silences) < median[symbol] < min(vowels) for symbol in ("s", "f", "t", "k", "d", "dcl"))


def _frames(utterance, shift):
    """Log spectra of 25 ms frames every 10 ms, and the label at the middle of each frame, shifted by `shift` frames."""
    samples = read_audio(utterance.audio_path)
    places = np.arange(0, len(samples) - 400, 160)
    spectra = np.abs(np.fft.rfft(samples[places[:, None] + np.arange(400)] * np.hanning(400), axis=1)) ** 2
    features = np.log(spectra[:, :200].reshape(len(places), 40, 5).sum(axis=2) + 1)
    ends = [phone.end_sample for phone in utterance.phones]
    moved = np.clip(places + 200 + 160 * shift, 0, len(samples) - 1)
    labels = [folding_to(39)[utterance.phones[i].symbol] for i in np.searchsorted(ends, moved, side="right")]
    return features - features.mean(axis=0), labels


def test_a_classifier_of_frames_fits_best_where_the_labels_are(utterances):
    classes = sorted({label for utterance in utterances for label in _frames(utterance, 0)[1]}, key=str)
    training, held_out = [[u for u in utterances if u.part == part] for part in ("train", "test")]

    def data(chosen, shift):
        parts = [_frames(utterance, shift) for utterance in chosen]
        features = np.concatenate([features for features, _ in parts])
        targets = np.array([classes.index(label) for _, labels in parts for label in labels])
        return np.hstack([features, np.ones((len(features), 1))]), targets

    features, targets = data(training, 0)
    weights = np.linalg.solve(features.T @ features + 10 * np.eye(41), features.T @ np.eye(len(classes))[targets])
    accuracy = {}
    for shift in (-4, -2, -1, 0, 1, 2, 4):
        features, targets = data(held_out, shift)
        accuracy[shift] = float(np.mean((features @ weights).argmax(axis=1) == targets))
    assert max(accuracy, key=lambda shift: accuracy[shift]) == 0
    assert accuracy[0] > accuracy[4] + 0.1
    assert accuracy[0] > accuracy[-4] + 0.1


@pytest.mark.slow
def test_bytes_depend_on_the_seed_and_not_on_the_number_of_processes(tmp_path):
    for name, seed, jobs in (("a", 1, 1), ("b", 1, 3), ("c", 2, 3)):
        make_demo_corpus(tmp_path / name, 30, seed, jobs=jobs)
    digests = [corpus_digest(tmp_path / name) for name in "abc"]
    assert digests[0] == digests[1] != digests[2]


def test_the_same_corpus_is_kept_and_another_one_refused(corpus):
    before = {path: path.stat().st_mtime_ns for path in corpus.rglob("*")}
    assert make_demo_corpus(corpus, _UTTERANCES, seed=1) is False
    with pytest.raises(UserError, match=r"corpus: holds another demo corpus \(seed is 1, not 2\); delete it"):
        make_demo_corpus(corpus, _UTTERANCES, seed=2)
    with pytest.raises(UserError, match=r"\(num_utterances is 60, not 70\)"):
        make_demo_corpus(corpus, 70, seed=1)
    assert {path: path.stat().st_mtime_ns for path in corpus.rglob("*")} == before


def test_a_modified_corpus_is_refused(corpus, tmp_path):
    shutil.copytree(corpus, tmp_path / "copy")
    next((tmp_path / "copy").rglob("*.PHN")).write_text("0 1 h#\n")
    with pytest.raises(UserError, match="copy: the demo corpus has been modified since it was made"):
        make_demo_corpus(tmp_path / "copy", _UTTERANCES, seed=1)


def test_other_files_are_not_replaced(tmp_path, monkeypatch):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(UserError, match="exists and is not a demo corpus; name another folder"):
        make_demo_corpus(tmp_path, 30)
    with pytest.raises(UserError, match=r"thesis\.tex: exists and is not a demo corpus"):
        make_demo_corpus(tmp_path / "thesis.tex", 30)
    (tmp_path / demo.MANIFEST).write_text("[]")
    with pytest.raises(UserError, match="exists and is not a demo corpus"):
        make_demo_corpus(tmp_path, 30)
    assert (tmp_path / "thesis.tex").read_text() == "precious"
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(UserError, match=r"^\.: is the current folder or holds it; name a new folder"):
        make_demo_corpus(".", 30)
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"num_utterances": 29}, "num_utterances 29: must be at least 30"),
        ({"num_utterances": 30, "seed": -1}, "seed -1: must be 0 or more"),
        ({"num_utterances": 30, "jobs": 0}, "jobs 0: must be at least 1"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, arguments, why):
    with pytest.raises(UserError, match=why):
        make_demo_corpus(tmp_path / "corpus", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_synthesiser_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs espeakng-loader, scipy, which are not installed; .*\[demo\]'"):
        make_demo_corpus(tmp_path / "corpus", 30)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_synthesiser_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "_VARIANTS", ["m1", "m2", "m3", "nobody-of-this-name"])
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(UserError, match=r"the synthesiser failed on voice en-us\+"):
        make_demo_corpus(tmp_path / "corpus", 30)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_killed_run_leaves_no_corpus_and_can_be_repeated(tmp_path, corpus):
    code = f"from cnn_mellin.corpora.demo import *; make_demo_corpus({str(tmp_path / 'a')!r}, {_UTTERANCES}, 1, jobs=1)"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    deadline = time.monotonic() + 60
    while not any(tmp_path.rglob("*.WAV")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "a").exists()
    assert make_demo_corpus(tmp_path / "a", _UTTERANCES, seed=1) is True
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert corpus_digest(tmp_path / "a") == corpus_digest(corpus)
