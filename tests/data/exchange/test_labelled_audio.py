import io

import numpy as np
import pytest
import soundfile

from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.data.exchange.labelled_audio import labelled_audio
from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.errors import AudioError, CorpusError, DataError
from cnn_mellin.formats.symbols import write_symbols

RATE = 16000


@pytest.fixture
def partition(tmp_path):
    """One utterance of 10 frames; its reference has times."""
    data = tmp_path / "data"
    with write_partition(data / "fbank" / "dev", PartitionDescription(1, 10.0, "fbank")) as writer:
        writer.add("u", np.zeros((10, 1)), [[1, 0, 3], [0, 3, 10]])
    write_symbols(data / "fbank" / "ext", ["a", "b"])
    (data / "fbank" / "ext" / "utt2spk").write_text("u mary\n")
    return read_partition(data / "fbank" / "dev")


def add_raw(partition, samples, reference=((1, 0, 500), (0, 510, 1666)), symbols=("a", "b"), name="u"):
    folder = partition.path.parent.parent / "raw"
    with write_partition(folder / "dev", PartitionDescription(1, 1000 / RATE, "raw", {"corpus": ""})) as writer:
        writer.add(name, np.asarray(samples, np.float32)[:, None], reference)
    write_symbols(folder / "ext", list(symbols))


def decoded(audio):
    suffix, content = audio
    samples, rate = soundfile.read(io.BytesIO(content), dtype="float64", always_2d=False)
    return suffix, samples * 32768, rate, soundfile.info(io.BytesIO(content)).subtype


@pytest.mark.parametrize(("scale", "subtype"), [(1, "PCM_16"), (0.37, "FLOAT"), (40, "FLOAT")])
def test_raw_audio_is_written_without_a_loss(partition, scale, subtype):
    samples = (np.random.default_rng(0).integers(-32768, 32768, 1666) * scale).astype(np.float32)
    samples[0] = -32768 * scale
    add_raw(partition, samples)
    (found,) = labelled_audio(partition)
    suffix, values, rate, kind = decoded(found.audio())
    assert (suffix, rate, kind) == (".wav", RATE, subtype)
    assert np.array_equal(values.astype(np.float32), samples)
    assert (found.utterance_id, found.speaker, found.symbols) == ("u", "mary", ("b", "a"))
    assert found.segments == ((0.0, 500 / RATE, "b"), (510 / RATE, 1666 / RATE, "a"))
    assert found.duration_s == 1666 / RATE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"name": "v"},
            "raw/dev: lacks utterance u of .*fbank/dev, or has another reference of it; prepare the features",
        ),
        ({"reference": [0, 0]}, "raw/dev: lacks utterance u of .*, or has another reference of it"),
        ({"symbols": ["a", "c"]}, "raw/dev: has other symbols than .*fbank/dev; prepare the features raw together"),
    ],
)
def test_raw_audio_of_another_corpus_is_refused(partition, changes, message):
    add_raw(partition, np.zeros(1666), **changes)
    with pytest.raises(DataError, match=message):
        list(labelled_audio(partition))
    (found,) = labelled_audio(partition, labels_only=True)
    assert found.segments == ((0.0, 0.03, "b"), (0.03, 0.1, "a"))


def test_copies_at_other_speeds_are_left_out_where_recordings_lack_them(tmp_path, caplog):
    folder = tmp_path / "data" / "fbank" / "train"
    about = PartitionDescription(1, 10.0, "fbank", {"speeds": {"speeds": [0.9], "resample": "x"}})
    with write_partition(folder, about) as writer:
        for name in ("u", "u_speed0.9", "v", "v_speed0.9"):
            writer.add(name, np.zeros((10, 1)), [0])
    write_symbols(folder.parent / "ext", ["a"])
    soundfile.write(tmp_path / "a.wav", np.zeros(1666), RATE)
    recorded = {name: Utterance(name, "mary", tmp_path / "a.wav", ()) for name in ("u", "v", "v_speed0.9")}
    found = labelled_audio(read_partition(folder), recordings=recorded)
    assert [one.utterance_id for one in found] == ["u", "v", "v_speed0.9"]
    assert caplog.messages == [f"{folder}: without its 1 copies at other speeds, which no file holds"]
    del recorded["v"]
    with pytest.raises(DataError, match="train: 1 utterances are not among the recordings: v; name"):
        list(labelled_audio(read_partition(folder), recordings=recorded))
    assert len(list(labelled_audio(read_partition(folder), labels_only=True))) == 4


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_U8"), ("WAV", "FLOAT"), ("FLAC", "PCM_24"), ("FLAC", "PCM_16")],
)
def test_a_span_of_a_recording_is_cut_without_a_loss(partition, tmp_path, kind, subtype):
    path = tmp_path / "long.audio"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.9, 0.9, 8000), 8000, format=kind, subtype=subtype)
    whole = soundfile.read(path, dtype="float64")[0] * 32768
    utterance = Utterance("u", "mary", path, (), start_s=0.25, end_s=0.5)
    (found,) = labelled_audio(partition, recordings={"u": utterance})
    assert (found.is_whole, found.first_sample, found.end_sample, found.duration_s) == (False, 2000, 4000, 0.25)
    suffix, values, rate, written = decoded(found.audio())
    assert (suffix, rate, written) == (".wav", 8000, subtype)
    assert np.array_equal(values, whole[2000:4000])
    # 10 frames of 200 samples each
    assert found.segments == ((0.0, 600 / 8000, "b"), (600 / 8000, 0.25, "a"))


def test_a_whole_recording_is_copied(partition, tmp_path):
    path = tmp_path / "u.flac"
    soundfile.write(path, np.zeros(1600, np.int16), 8000)
    (found,) = labelled_audio(partition, recordings={"u": Utterance("u", "mary", path, ())})
    assert found.is_whole
    assert found.audio() == (".flac", path.read_bytes())


def test_faults_are_named(partition, tmp_path):
    path = tmp_path / "u.wav"
    with pytest.raises(DataError, match="dev: 1 utterances are not among the recordings: u; name the corpus"):
        list(labelled_audio(partition, recordings={}))
    with pytest.raises(AudioError, match="u.wav: cannot be read"):
        list(labelled_audio(partition, recordings={"u": Utterance("u", "mary", path, ())}))
    soundfile.write(path, np.zeros(1600, np.int16), 8000)
    with pytest.raises(CorpusError, match="u.wav: utterance u has no samples in it; mend the segment"):
        list(labelled_audio(partition, recordings={"u": Utterance("u", "mary", path, (), start_s=1)}))
    (found,) = labelled_audio(partition, labels_only=True)
    with pytest.raises(ValueError, match="u has no recording"):
        found.audio()
    with write_partition(tmp_path / "data" / "fbank" / "test", PartitionDescription(1)) as writer:
        writer.add("u", [[0.0]], [0])
    with pytest.raises(DataError, match="test: does not hold its frame shift, which times need; prepare the features"):
        list(labelled_audio(read_partition(tmp_path / "data" / "fbank" / "test"), labels_only=True))
