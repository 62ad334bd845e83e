import io

import numpy as np
import pytest
import soundfile

from cnn_mellin.recipe.options import RecipeOptions
from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.report.utterance_audio import flac_bytes, utterance_samples

TONE = (8000 * np.sin(np.arange(4000) / 5)).astype(np.int16)


def table(folder, audio="a.wav") -> RecipeResults:
    (folder / "exp").mkdir()
    soundfile.write(folder / "a.wav", TONE, 16000)
    rows = [f"{audio}\tt d\t{part}\tu{i}\n" for i, part in enumerate(("train", "test", "dev"))]
    (folder / "corpus.tsv").write_text("audio\ttranscript\tpartition\tutterance\n" + "".join(rows))
    return RecipeResults(folder / "exp", RecipeOptions("../corpus.tsv", "table"))


def kaldi(folder) -> RecipeResults:
    (folder / "exp").mkdir()
    soundfile.write(folder / "a.wav", TONE, 16000)
    for i, part in enumerate(("train", "eval", "dev")):
        place = folder / "corpus" / part
        place.mkdir(parents=True)
        (place / "wav.scp").write_text("rec a.wav\n")
        (place / "segments").write_text(f"u{i} rec 0.05 0.15\n")
        (place / "text").write_text(f"u{i} t d\n")
        (place / "utt2spk").write_text(f"u{i} s\n")
    options = ("--parts", "train", "test=eval", "dev", "--audio-root", "..")
    return RecipeResults(folder / "exp", RecipeOptions(str(folder / "corpus"), "kaldi", options))


def test_an_utterance_of_a_table_is_read_from_the_recipes_folder(tmp_path):
    samples = utterance_samples(table(tmp_path), "u1")
    assert samples is not None
    np.testing.assert_array_equal(samples, TONE)


def test_an_utterance_of_a_kaldi_corpus_is_a_span_below_the_audio_root(tmp_path):
    samples = utterance_samples(kaldi(tmp_path), "u1")
    assert samples is not None
    np.testing.assert_array_equal(samples, TONE[800:2400])


def test_an_utterance_of_timit(small_corpus, tmp_path):
    path = next(small_corpus.rglob("SX1.WAV"))
    name = f"{path.parent.name.lower()}-sx1"
    samples = utterance_samples(RecipeResults(tmp_path, RecipeOptions(str(small_corpus), "timit")), name)
    assert samples is not None
    assert len(samples) == soundfile.info(path).frames


@pytest.mark.parametrize("gone", ["utterance", "audio", "corpus"])
def test_what_is_gone_is_no_error(tmp_path, gone):
    results = table(tmp_path)
    if gone == "utterance":
        assert utterance_samples(results, "u9") is None
    else:
        (tmp_path / {"audio": "a.wav", "corpus": "corpus.tsv"}[gone]).unlink()
        assert utterance_samples(results, "u1") is None


def test_flac_keeps_samples_and_clips_those_beyond_full_scale():
    samples = np.array([0, 1.4, -32768, 40000], dtype=np.float32)
    decoded, hz = soundfile.read(io.BytesIO(flac_bytes(samples)), dtype="int16")
    assert hz == 16000
    assert decoded.tolist() == [0, 1, -32768, 32767]
    assert flac_bytes(samples) == flac_bytes(samples)
