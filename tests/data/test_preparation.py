import time

import numpy as np
import pytest
import soundfile
import torch

from cnn_mellin.audio.reading import read_audio, write_sphere
from cnn_mellin.audio.recording import Conversion
from cnn_mellin.audio.resampling import resample
from cnn_mellin.corpora.utterance import TimedPhone, Utterance
from cnn_mellin.data.faulty_utterances import FaultyCorpusError
from cnn_mellin.data.labelling import corpus_labelling, timit_labelling
from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.preparation import frame_references, prepare, prepare_timit
from cnn_mellin.data.verified_files import files_state, remember_verified
from cnn_mellin.errors import AudioError, CorpusError, DataError, SettingsError
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.formats.phone_sets import phone_set
from cnn_mellin.formats.symbols import read_symbols
from cnn_mellin.formats.transcripts import read_trn
from cnn_mellin.language_models import NgramModel

CLASSES = {symbol: i for i, symbol in enumerate(phone_set(48))}


def make_utterance(folder, name="faaa0-sx1", num_samples=4000, phones=None) -> Utterance:
    path = folder / f"{name}.wav"
    stream = np.random.default_rng(len(name))
    write_sphere(path, stream.integers(-3000, 3000, num_samples), 16000)
    third = num_samples // 3
    default = (
        ("h#", 0, third),
        ("ix", third, 2 * third),
        ("q", 2 * third, 2 * third + 9),
        ("h#", 2 * third + 9, num_samples),
    )
    timed = tuple(TimedPhone(*phone) for phone in phones or default)
    return Utterance(name, name[:5], path, timed, gender="f", dialect="dr1")


@pytest.fixture
def parts(tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    names = {"train": ["faaa0-sx1", "maab0-si2"], "dev": ["faac0-sx3"], "test": ["maad0-sx4"]}
    return {part: [make_utterance(corpus, name) for name in chosen] for part, chosen in names.items()}


def test_data_directories_hold_features_references_and_shared_files(tmp_path, parts):
    prepared = prepare_timit(parts, tmp_path / "data", ["fbank-81-10ms", "raw"], num_phones=48)
    assert [(p.path.parent.name, p.path.name, p.num_utterances) for p in prepared] == [
        (features, part, len(parts[part])) for part in parts for features in ("fbank-81-10ms", "raw")
    ]
    partition = read_partition(tmp_path / "data" / "fbank-81-10ms" / "train")
    assert partition.utterance_ids == ["faaa0-sx1", "maab0-si2"]
    extractor = FeatureExtractor.named("fbank-81-10ms")
    samples = torch.from_numpy(read_audio(parts["train"][1].audio_path))
    assert np.allclose(partition.features_of(1), extractor(samples).numpy())
    assert partition.reference_of(0).tolist() == [
        [CLASSES["sil"], 0, 8],
        [CLASSES["ix"], 8, 17],
        [CLASSES["sil"], 17, 25],
    ]
    raw = read_partition(tmp_path / "data" / "raw" / "train")
    assert np.array_equal(raw.features_of(1)[:, 0], samples.numpy())
    ext = tmp_path / "data" / "fbank-81-10ms" / "ext"
    assert read_symbols(ext) == list(phone_set(48))
    assert read_trn(ext / "train.ref.trn") == {name: ["sil", "ih", "sil"] for name in partition.utterance_ids}
    trigram = NgramModel.from_arpa(ext / "lm.arpa.gz", list(phone_set(48)))
    assert trigram.log_prob(["sil", "ix", "sil"]) > trigram.log_prob(["ix", "sil", "sil"])
    assert (ext / "utt2spk").read_text().splitlines()[0] == "faaa0-sx1 faaa0"
    assert (ext / "spk2gender").read_text().splitlines()[0] == "faaa0 f"
    assert (ext / "spk2dialect").read_text().splitlines()[0] == "faaa0 dr1"
    assert (ext / "dev.ref.ctm").read_text().splitlines()[1] == "faac0-sx3 A 0.0833 0.0833 ih"
    assert (ext / "dev.ref.stm").read_text() == "faac0-sx3 A faac0 0.0000 0.2500 sil ih sil\n"
    info = dict(line.split() for line in (ext / "train.info.ark").read_text().splitlines())
    assert (info["num_utterances"], info["total_frames"], info["num_filts"]) == ("2", "50", "81")
    assert info[f"count_{CLASSES['ix']}"] == "2"


def test_copies_of_training_utterances_are_resampled_to_other_speeds(tmp_path, parts):
    def prepare(data, **kwargs):
        return prepare_timit(parts, tmp_path / data, ["fbank-81-10ms"], **kwargs)

    prepare("plain")
    prepared = prepare("data", speeds=[0.8, 2])
    assert [p.num_utterances for p in prepared] == [6, 1, 1]
    assert not any(p.changes for p in prepared)
    train, plain = (read_partition(tmp_path / data / "fbank-81-10ms" / "train") for data in ("data", "plain"))
    assert train.utterance_ids[:3] == ["faaa0-sx1", "faaa0-sx1_speed0.8", "faaa0-sx1_speed2"]
    assert np.array_equal(train.features_of(0), plain.features_of(0))
    samples = resample(read_audio(parts["train"][0].audio_path), 12800, 16000)
    features = FeatureExtractor.named("fbank-81-10ms")(torch.from_numpy(samples)).numpy()
    assert len(features) == 31  # of 5000 samples instead of 4000
    assert np.allclose(train.features_of(1), features)
    rows = [train.reference_of(i).tolist() for i in range(3)]
    assert [[end for _, _, end in row] for row in rows] == [[8, 17, 25], [10, 21, 31], [4, 9, 13]]
    ext, before = (tmp_path / data / "fbank-81-10ms" / "ext" for data in ("data", "plain"))
    for name in ("lm.arpa.gz", "dev.ref.trn", "dev.ref.ctm", "spk2gender"):
        assert (ext / name).read_bytes() == (before / name).read_bytes()
    assert list(read_trn(ext / "train.ref.trn")) == train.utterance_ids
    assert "faaa0-sx1_speed2 faaa0\n" in (ext / "utt2spk").read_text()
    assert "faaa0-sx1_speed0.8 A 0.1041 0.1041 ih\n" in (ext / "train.ref.ctm").read_text()
    assert [p.computed for p in prepare("data", speeds=[0.8, 2])] == [False, False, False]
    assert [p.computed for p in prepare("data", speeds=[0.8])] == [True, False, False]


def test_copies_keep_the_rate_of_their_recording(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(1).normal(0, 0.1, 8000), 8000)
    parts = {part: [Utterance(part, "mary", tmp_path / "a.wav", (), transcript=("x",))] for part in ("train", "dev")}
    labelling, conversion = corpus_labelling(parts)[0], Conversion(resample=True)
    prepared = prepare(
        parts, tmp_path / "data", ["fbank-81-10ms"], labelling, conversion=conversion, speeds=[0.5], quiet=True
    )
    assert [len(changes) for changes in (p.changes for p in prepared)] == [1, 1]
    assert prepared[0].changes[0].startswith("1 resampled from 8000 to 16000 Hz")
    train = read_partition(prepared[0].path)
    assert [train.features_of(i).shape[0] for i in (0, 1)] == [100, 200]
    assert train.description.source["sample_rates_hz"] == {"8000": 1}


def test_a_copy_whose_id_is_taken_is_refused(tmp_path, parts):
    parts["dev"].append(make_utterance(tmp_path / "corpus", "faaa0-sx1_speed0.9"))
    with pytest.raises(DataError, match="utterance faaa0-sx1_speed0.9: has the id of a copy at another speed; rename"):
        prepare_timit(parts, tmp_path / "data", ["fbank-81-10ms"], speeds=[0.9])
    assert not (tmp_path / "data").exists()


def test_unchanged_partitions_are_kept_and_changed_ones_are_computed_again(tmp_path, parts):
    def prepare(**kwargs):
        return {p.path.name: p.computed for p in prepare_timit(parts, tmp_path / "data", ["fbank-81-10ms"], **kwargs)}

    assert prepare() == {"train": True, "dev": True, "test": True}
    assert prepare() == {"train": False, "dev": False, "test": False}
    parts["dev"] = [make_utterance(tmp_path / "corpus", "faac0-sx3", num_samples=4800)]
    assert prepare() == {"train": False, "dev": True, "test": False}
    assert prepare(num_phones=39) == {"train": True, "dev": True, "test": True}
    (tmp_path / "data" / "fbank-81-10ms" / "test" / "features.npy").write_bytes(b"")
    assert prepare(num_phones=39) == {"train": False, "dev": False, "test": True}


def test_files_of_ext_keep_their_time_if_their_content_is_unchanged(tmp_path, parts):
    ext = tmp_path / "data" / "fbank-81-10ms" / "ext"

    def times():
        return {path.name: path.stat().st_mtime_ns for path in ext.iterdir()}

    prepare_timit(parts, tmp_path / "data", ["fbank-81-10ms"])
    before = times()
    prepare_timit(parts, tmp_path / "data", ["fbank-81-10ms"])
    assert times() == before
    parts["dev"] = [make_utterance(tmp_path / "corpus", "faac0-sx3", num_samples=4800)]
    prepare_timit(parts, tmp_path / "data", ["fbank-81-10ms"])
    changed = {name for name, time_ns in times().items() if time_ns != before[name]}
    assert changed == {"dev.info.ark", "dev.ref.ctm", "dev.ref.stm"}


@pytest.mark.parametrize(("name", "place"), [("features.npy", 700), ("index.npz", 400), ("partition.json", 40)])
def test_damaged_partitions_are_prepared_again(tmp_path, parts, name, place):
    def prepare():
        return {p.path.name: p.computed for p in prepare_timit(parts, tmp_path / "data", ["fbank-81-10ms"])}

    prepare()
    path = tmp_path / "data" / "fbank-81-10ms" / "train"
    whole = {file.name: file.read_bytes() for file in path.iterdir()}
    content = bytearray(whole[name])
    content[place] ^= 1
    (path / name).write_bytes(content)
    # as if the disk had damaged it after it was last verified
    time.sleep(0.03)  # more recent states are not recorded
    remember_verified(path, files_state(path, ("partition.json", "index.npz", "features.npy")))
    assert prepare() == {"train": True, "dev": False, "test": False}
    assert read_partition(path, verify="always").verified
    assert (path / "features.npy").read_bytes() == whole["features.npy"]
    assert (path / "partition.json").read_bytes() == whole["partition.json"]


@pytest.mark.parametrize("num_phones", [61, 60, 48, 39])
def test_phone_sets(tmp_path, parts, num_phones):
    prepare_timit(parts, tmp_path / "data", ["raw"], num_phones=num_phones)
    symbols = read_symbols(tmp_path / "data" / "raw" / "ext")
    assert len(symbols) == num_phones
    reference = read_partition(tmp_path / "data" / "raw" / "train").reference_of(0)[:, 0]
    expected = {61: ["h#", "ix", "q", "h#"], 60: ["h#", "ix", "h#"], 48: ["sil", "ix", "sil"], 39: ["sil", "ih", "sil"]}
    assert [symbols[c] for c in reference] == expected[num_phones]


def test_every_phone_gets_a_frame_within_the_utterance(tmp_path):
    utterance = make_utterance(tmp_path, phones=[("h#", 0, 10), ("b", 10, 20), ("ix", 20, 3990), ("h#", 3990, 4050)])
    rows = frame_references(utterance, 4000, 25, timit_labelling(48))
    assert (rows[:, 1] >= 0).all()
    assert (rows[:, 1] < rows[:, 2]).all()
    assert (rows[:, 2] <= 25).all()


def test_times_in_samples_of_the_recording_are_those_of_resampled_audio(tmp_path):
    samples = np.random.default_rng(0).integers(-3000, 3000, 4000)
    write_sphere(tmp_path / "a.wav", samples, 8000)
    phones = (TimedPhone("a", 0, 1000), TimedPhone("b", 1000, 4000))
    parts = {"train": [Utterance("u", "s", tmp_path / "a.wav", phones)]}
    labelling, _ = corpus_labelling(parts)
    prepare(parts, tmp_path / "data", ["fbank-81-10ms"], labelling, conversion=Conversion(resample=True))
    folder = tmp_path / "data" / "fbank-81-10ms"
    assert read_partition(folder / "train").reference_of(0).tolist() == [[0, 0, 12], [1, 12, 50]]
    assert (folder / "ext" / "train.ref.ctm").read_text() == "u A 0.0000 0.1250 a\nu A 0.1250 0.3750 b\n"


def test_several_faults_are_one_error_that_holds_them(tmp_path, parts):
    for utterance in (*parts["train"], *parts["dev"]):
        utterance.audio_path.write_bytes(b"")
    with pytest.raises(
        FaultyCorpusError, match="2 of 2 utterances of train, 1 of 1 utterances of dev cannot"
    ) as raised:
        prepare_timit(parts, tmp_path / "data", ["fbank-81-10ms"])
    assert [len(raised.value.faults[part]) for part in parts] == [2, 1, 0]
    assert not (tmp_path / "data").exists()


def test_a_label_beyond_the_audio_is_named(tmp_path):
    utterance = make_utterance(tmp_path, phones=[("h#", 0, 9000)])
    with pytest.raises(AudioError, match="holds 4000 samples, but h# ends at 9000"):
        frame_references(utterance, 4000, 25, timit_labelling(48))


def test_damaged_audio_is_named_and_no_partition_is_left(tmp_path, parts):
    path = parts["train"][1].audio_path
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(AudioError, match=str(path)):
        prepare_timit(parts, tmp_path / "data", ["fbank-81-10ms"])
    assert not (tmp_path / "data" / "fbank-81-10ms" / "train").exists()
    assert not (tmp_path / "data").exists()


def test_audio_too_short_for_a_frame_is_named(tmp_path, parts):
    parts["train"].append(make_utterance(tmp_path, "maaz0-sx9", 60, [("h#", 0, 60)]))
    with pytest.raises(CorpusError, match="maaz0-sx9.wav: .*60 samples are too few for a frame"):
        prepare_timit(parts, tmp_path / "data", ["fbank-81-10ms"])


def test_empty_partition_and_unknown_features_are_refused(tmp_path, parts):
    with pytest.raises(SettingsError, match="fbank-80: unknown; did you mean 'fbank-81-10ms'"):
        prepare_timit(parts, tmp_path / "data", ["fbank-80"])
    with pytest.raises(DataError, match="partition dev has no utterance"):
        prepare_timit({**parts, "dev": []}, tmp_path / "data", ["raw"])
    assert not (tmp_path / "data").exists()
