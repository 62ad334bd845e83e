import json
import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from cnn_mellin.audio.reading import read_audio
from cnn_mellin.audio.resampling import resampler
from cnn_mellin.decoding import TranscribedFile, Transcriber, transcribe_files
from cnn_mellin.decoding.transcribed_files import recording_names, transcribe_file
from cnn_mellin.errors import AudioError, SettingsError
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.models import AcousticModel, AcousticModelConfig


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    config = AcousticModelConfig(convolutional_layers=0, recurrent_layers=1, recurrent_size=4, seed=1)
    model = AcousticModel(81, 4, config).eval()
    return Transcriber(model, ["aa", "b", "sil"], FeatureExtractor.named("fbank-81-10ms"))


def test_good_files_are_transcribed_and_bad_ones_are_logged(transcriber, tmp_path, caplog):
    noise = 0.1 * np.random.default_rng(0).normal(size=(8000, 2))
    soundfile.write(tmp_path / "a.wav", noise[:, 0], 16000)
    soundfile.write(tmp_path / "b.wav", noise, 8000)
    (tmp_path / "bad.wav").write_bytes(b"no audio" * 9)
    paths = [tmp_path / name for name in ("a.wav", "bad.wav", "b.wav", "a.wav")]
    with caplog.at_level(logging.WARNING, "cnn_mellin.decoding"):
        found = list(transcribe_files(transcriber, paths))
    assert [(file.path.name, file.name) for file in found] == [("a.wav", "a"), ("b.wav", "b")]
    expected = transcriber(torch.from_numpy(read_audio(tmp_path / "a.wav")))
    assert found[0].transcription.as_dict() == expected.as_dict()
    damaged, changed = (record.getMessage() for record in caplog.records)
    assert damaged.startswith(f"{tmp_path}/bad.wav: ")
    assert changed == f"{tmp_path}/b.wav: 2 channels mixed down, resampled from 8000 to 16000 Hz with {resampler()}"
    with pytest.raises(AudioError, match="bad.wav: "):
        transcribe_file(transcriber, tmp_path / "bad.wav")


def test_all_formats_hold_the_same(transcriber):
    transcription = transcriber(1000 * torch.randn(16000, generator=torch.Generator().manual_seed(1)))
    file = TranscribedFile(Path("a.wav"), "a", transcription)
    content = json.loads(json.dumps(file.as_dict()))
    assert list(content) == ["audio", "duration_s", "phones", "n_best"]
    phones = [phone["phone"] for phone in content["phones"]]
    assert phones == content["n_best"][0]["phones"] == [line.split()[-1] for line in file.ctm_lines()]
    assert [line.split()[-1] for line in file.table_lines()[1:]] == phones
    assert file.table_lines()[0] == f"a.wav: {len(phones)} phones in 1.00 s"
    with pytest.raises(AudioError, match="its name has bytes that a ctm cannot hold"):
        TranscribedFile(Path("a.wav"), "a\x07", transcription).ctm_lines()


def test_names_that_differ_only_in_their_suffix_are_refused():
    with pytest.raises(SettingsError, match="1 names of recordings differ only in their suffix: x; rename one"):
        recording_names([Path("x.wav"), Path("x.flac")])
