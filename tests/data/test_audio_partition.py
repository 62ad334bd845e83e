import shutil

import numpy as np
import pytest
import soundfile
import torch

from cnn_mellin.config import Settings
from cnn_mellin.corpora.utterance import TimedPhone, Utterance
from cnn_mellin.data.audio_partition import load_audio_batch, open_features, read_audio, shard_folder
from cnn_mellin.data.audio_preparation import prepare_audio
from cnn_mellin.data.batch import load_batch
from cnn_mellin.data.faulty_utterances import LeaveOut
from cnn_mellin.data.labelling import corpus_labelling
from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.preparation import prepare
from cnn_mellin.data.subset import select_utterances
from cnn_mellin.errors import CorpusError, DataError, SettingsError
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.training import train

NAME = "fbank-81-10ms"


@pytest.fixture
def parts(tmp_path):
    """Partitions train and dev of timed utterances of different lengths."""
    stream = np.random.default_rng(1)
    made: dict[str, list[Utterance]] = {}
    for part, count in (("train", 7), ("dev", 2)):
        made[part] = []
        for i in range(count):
            length = int(stream.integers(4000, 12000))
            path = tmp_path / f"{part}-{i}.wav"
            soundfile.write(path, stream.normal(0, 0.1, length), 16000, subtype="PCM_16")
            ends = np.linspace(0, length, 4).astype(int).tolist()
            symbols = stream.choice(["a", "b", "c"], 3).tolist()
            phones = tuple(map(TimedPhone, symbols, ends, ends[1:]))
            made[part].append(Utterance(f"{part}-{i}", part, path, phones))
    return made


@pytest.fixture
def labelling(parts):
    return corpus_labelling(parts)[0]


def missing(results):
    return {result.path.name: result.missing for result in results}


@pytest.mark.parametrize("name", ["fbank-81-10ms", "sigbank-41-2ms", "raw"])
def test_computed_features_and_references_equal_prepared_ones(tmp_path, parts, labelling, name, device):
    prepare_audio(parts, tmp_path / "data", labelling, shards=3)
    prepare(parts, tmp_path / "data", [name], labelling)
    computed = open_features(tmp_path / "data" / "audio" / "train", name)
    prepared = read_partition(tmp_path / "data" / name / "train")
    assert computed.utterance_ids == prepared.utterance_ids
    for member in ("num_frames", "reference_lengths", "adjacent_repeats"):
        assert getattr(computed, member).tolist() == getattr(prepared, member).tolist(), member
    assert computed.description.source["configuration"] == prepared.description.source["configuration"]
    for i in range(len(prepared)):
        np.testing.assert_array_equal(computed.features_of(i), prepared.features_of(i))
        assert computed.reference_of(i).tolist() == prepared.reference_of(i).tolist()
    rows = np.array([4, 1])
    np.testing.assert_array_equal(computed.magnitude_sums(rows), prepared.magnitude_sums(rows))
    subset = select_utterances(computed, ["train-1", "train-6"])
    batch = load_audio_batch(subset, [1, 0], torch.device(device), (2, None))
    expected = load_batch(prepared, [6, 1], first_class=2)
    assert batch is not None
    assert batch.features.device.type == device
    torch.testing.assert_close(batch.features.cpu(), expected.features, rtol=5e-5, atol=1e-6)
    for member in ("utterance_ids", "lengths", "references", "reference_lengths"):
        assert str(getattr(batch, member)) == str(getattr(expected, member))
    assert load_audio_batch(prepared, [0], torch.device(device)) is None


def test_shards_are_written_in_any_order_and_only_once_and_the_last_completes(tmp_path, parts, labelling):
    data = tmp_path / "data"
    assert missing(prepare_audio(parts, data, labelling, shards=3, shard=2)) == {"train": (0, 1), "dev": (0, 1)}
    with pytest.raises(
        DataError, match=r"audio/train: is not whole \(it has no audio.json\); run the same preparation"
    ):
        open_features(data / "audio" / "train", NAME)
    prepare_audio(parts, data, labelling, shards=3, shard=0)
    before = (shard_folder(data / "audio" / "train", 0) / "features.npy").stat().st_ino
    results = prepare_audio(parts, data, labelling, shards=3)
    assert missing(results) == {"train": (), "dev": ()}
    assert results[0].written == (1,)
    assert (shard_folder(data / "audio" / "train", 0) / "features.npy").stat().st_ino == before
    assert len(open_features(data / "audio" / "train", NAME)) == 7
    assert [result.written for result in prepare_audio(parts, data, labelling, shards=3)] == [(), ()]
    assert "num_utterances 7" in (data / "audio" / "ext" / "train.info.ark").read_text()


def test_a_shard_whose_audio_or_labels_changed_or_that_is_damaged_is_written_again(tmp_path, parts, labelling):
    data = tmp_path / "data"
    prepare_audio(parts, data, labelling, shards=3)
    digest = open_features(data / "audio" / "train", NAME).digest
    soundfile.write(parts["train"][0].audio_path, np.ones(5000) / 9, 16000, subtype="PCM_16")
    parts["train"][0] = Utterance("train-0", "train", parts["train"][0].audio_path, (), transcript=("a",))
    assert prepare_audio(parts, data, labelling, shards=3)[0].written == (0,)
    assert open_features(data / "audio" / "train", NAME).digest != digest
    path = shard_folder(data / "audio" / "train", 1) / "features.npy"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(DataError, match="shard-0001: is damaged"):
        open_features(data / "audio" / "train", NAME)
    assert prepare_audio(parts, data, labelling, shards=3)[0].written == (1,)


def test_fewer_shards_replace_more(tmp_path, parts, labelling):
    prepare_audio(parts, tmp_path / "data", labelling, shards=5)
    prepare_audio(parts, tmp_path / "data", labelling, shards=2)
    folders = sorted(path.name for path in (tmp_path / "data" / "audio" / "train").glob("shard-*"))
    assert folders == ["shard-0000", "shard-0001"]
    assert len(open_features(tmp_path / "data" / "audio" / "train", NAME)) == 7


def test_damaged_audio_is_named_or_left_out(tmp_path, parts, labelling):
    parts["train"][2].audio_path.write_bytes(b"no audio")
    with pytest.raises(CorpusError, match=r"train-2.wav: .*"):
        prepare_audio(parts, tmp_path / "data", labelling, shards=2)
    assert not shard_folder(tmp_path / "data" / "audio" / "train", 0).exists()
    (train_result, _) = prepare_audio(parts, tmp_path / "data", labelling, shards=2, leave_out_damaged=LeaveOut("1"))
    assert [fault.utterance_id for fault in train_result.faults] == ["train-2"]
    found = open_features(tmp_path / "data" / "audio" / "train", NAME)
    assert found.utterance_ids == [f"train-{i}" for i in (0, 1, 3, 4, 5, 6)]
    assert prepare_audio(parts, tmp_path / "data", labelling, shards=2)[0].written == ()


def test_wrong_arguments_are_named(tmp_path, parts, labelling):
    with pytest.raises(SettingsError, match=r"shard is 3; it must lie in 0\.\.2, below the number of shards"):
        prepare_audio(parts, tmp_path / "data", labelling, shards=3, shard=3)
    prepare_audio(parts, tmp_path / "data", labelling)
    prepare(parts, tmp_path / "data", [NAME], labelling)
    path = tmp_path / "data" / "audio" / "train"
    with pytest.raises(DataError, match=r"train: holds audio; set \[data\] audio_features to the features to compute"):
        open_features(path, None)
    with pytest.raises(DataError, match=r"train: holds features, not audio; unset \[data\] audio_features"):
        open_features(tmp_path / "data" / NAME / "train", NAME)
    other = FeatureExtractor(None)
    other.sample_rate_hz = 8000
    with pytest.raises(DataError, match="has a sample rate of 16000 Hz, but the features need 8000 Hz"):
        read_audio(path, other)
    shutil.copytree(shard_folder(tmp_path / "data" / "audio" / "dev", 0), tmp_path / "other")
    shutil.rmtree(shard_folder(path, 0))
    shutil.move(tmp_path / "other", shard_folder(path, 0))
    with pytest.raises(DataError, match="shard-0000: is not the shard that audio.json names; run the same preparation"):
        open_features(path, NAME)


def test_a_training_on_audio_equals_one_on_features(tmp_path, parts, labelling, device):
    data = tmp_path / "data"
    prepare_audio(parts, data, labelling, shards=2)
    prepare(parts, data, [NAME], labelling)
    small = {"convolutional_layers": 0, "recurrent_layers": 1, "recurrent_size": 4, "seed": 1}
    settings = Settings().updated(
        {"model": small, "training": {"num_epochs": 2, "seed": 1}, "data": {"batch_size": 3, "scale_features": True}}
    )
    on_features = train(data / NAME / "train", data / NAME / "dev", tmp_path / "features", settings, device=device)
    computing = settings.updated({"data": {"audio_features": NAME}})
    on_audio = train(data / "audio" / "train", data / "audio" / "dev", tmp_path / "audio", computing, device=device)
    for ours, theirs in zip(on_audio.records, on_features.records, strict=True):
        assert ours.train_loss == (theirs.train_loss if device == "cpu" else pytest.approx(theirs.train_loss, abs=1e-4))
