import hashlib
import threading

import numpy as np
import pytest
import soundfile
import torch

from cnn_mellin.audio.recording import Conversion
from cnn_mellin.corpora.fault import Fault
from cnn_mellin.corpora.utterance import TimedPhone, Utterance
from cnn_mellin.data.checked_audio import CheckedAudio
from cnn_mellin.data.corpus_check import CorpusCheck, require_labels_inside
from cnn_mellin.errors import AudioError
from cnn_mellin.features import FeatureExtractor


@pytest.fixture
def recording(tmp_path, monkeypatch):
    """Half a second at 8000 Hz."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    samples = np.random.default_rng(0).integers(-999, 999, 4000).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 8000)
    return tmp_path / "a.wav"


def check(*features: str, **changes: bool) -> CorpusCheck:
    return CorpusCheck({name: FeatureExtractor.named(name) for name in features}, Conversion(**changes), 2, quiet=True)


def run(work: CorpusCheck, *utterances: Utterance, known: tuple[Fault, ...] = ()):
    audio: dict[str, CheckedAudio] = {}
    faults = work.run(utterances[0].audio_path.parent / "train", utterances, known, audio)
    return audio, {fault.utterance_id: fault.error.why for fault in faults}


def test_sound_audio_is_described_and_faults_are_found_in_order(recording):
    phones = tuple(TimedPhone("a", first, first + 800) for first in range(0, 5600, 800))
    utterances = [
        Utterance("late", "s", recording, phones),  # ends at 5600 of 4000 samples
        Utterance("whole", "s", recording, phones[:5]),
        Utterance("known", "s", recording.with_name("none.wav"), ()),
        Utterance("span", "s", recording, (), transcript=("a",), start_s=0.25, end_s=0.375),
        Utterance("short", "s", recording, (), transcript=("a",), start_s=0.25, end_s=0.252),
        Utterance("missing", "s", recording.with_name("none.wav"), ()),
    ]
    known = (Fault("known", AudioError("none.wav", "first")), Fault("known", AudioError("none.wav", "second")))
    audio, faults = run(check("fbank-81-10ms", "raw", resample=True), *utterances, known=known)
    assert list(faults) == ["late", "known", "short", "missing"]
    assert faults["late"] == "holds 4000 samples, but a ends at 5600; copy it again"
    assert faults["known"] == "first"
    assert faults["short"] == "32 samples are too few for a frame of fbank-81-10ms"
    assert audio.keys() == {"whole", "span"}
    assert audio["whole"][1:] == (4000, 8000, 1)
    samples = 32768 * soundfile.read(recording, dtype="float32")[0]
    assert audio["span"].digest == hashlib.sha256(samples[2000:3000].tobytes() + b"8000 Hz").digest()
    assert audio["span"].duration_s == 0.125


def test_without_resampling_the_digest_is_that_of_the_samples(recording):
    samples, _ = soundfile.read(recording, dtype="int16")
    soundfile.write(recording, samples, 16000)
    audio, _ = run(check("raw"), Utterance("a", "s", recording, (), transcript=("a",)))
    assert audio["a"].digest == hashlib.sha256(samples.astype(np.float32).tobytes()).digest()


@pytest.mark.parametrize(
    ("label_hz", "end", "fits"), [(None, 4800, True), (None, 4801, False)] + [(16000, 9600, True), (16000, 9602, False)]
)
def test_labels_may_end_a_tenth_of_a_second_late_in_their_own_samples(recording, label_hz, end, fits):
    utterance = Utterance("a", "s", recording, (TimedPhone("a", 0, end),), sample_rate_hz=label_hz)
    if fits:
        require_labels_inside(utterance, 4000, 8000)
        return
    with pytest.raises(AudioError, match=f"holds 4000 samples, but a ends at {end}"):
        require_labels_inside(utterance, 4000, 8000)


def test_functions_run_on_one_thread_and_leave_the_number_of_threads(recording):
    before = torch.get_num_threads()
    utterances = [Utterance(f"u{i}", "s", recording, ()) for i in range(8)]
    work = check("fbank-81-10ms")
    for mapped in (work.map, work.map_features):
        found = list(mapped("test", lambda u: (u.utterance_id, torch.get_num_threads()), utterances))
        assert found == [(f"u{i}", 1) for i in range(8)]
    assert torch.get_num_threads() == before


def test_extractors_are_set_up_before_threads_use_them(recording):
    work, threads = check("fbank-81-10ms", "sigbank-41-2ms"), []
    for extractor in work.extractors.values():
        extractor.register_forward_pre_hook(lambda *_: threads.append(threading.current_thread()))
    utterance = Utterance("a", "s", recording, ())
    list(work.map_features("test", lambda _: [e(torch.zeros(800)) for e in work.extractors.values()], [utterance]))
    assert [thread is threading.main_thread() for thread in threads] == [True, True, False, False]
