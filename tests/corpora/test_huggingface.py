import io
import json

import numpy as np
import pytest
import soundfile

from cnn_mellin.corpora.fault import Fault
from cnn_mellin.corpora.huggingface import Columns, find_tables, read_huggingface
from cnn_mellin.errors import CorpusError, DataError

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow (of the extra huggingface) is not installed")
parquet = pytest.importorskip("pyarrow.parquet")


def wav(num_samples=1600, rate=8000, kind="WAV"):
    content = io.BytesIO()
    soundfile.write(content, np.zeros(num_samples, np.int16), rate, format=kind)
    return content.getvalue()


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=2)


@pytest.fixture
def rows():
    return [
        {"audio": {"bytes": wav(), "path": "b.wav"}, "phones": ["x", "y"], "speaker": "mary"},
        {"audio": {"bytes": wav(800, kind="FLAC"), "path": None}, "phones": ["x"], "speaker": None},
    ]


def summary(partitions):
    return {part: [(u.utterance_id, u.speaker, u.labels) for u in found] for part, found in partitions.items()}


def test_stored_audio_is_extracted(tmp_path, rows):
    write(tmp_path / "corpus.parquet", rows)
    found = read_huggingface(tmp_path / "corpus.parquet", tmp_path / "audio")
    assert summary(found) == {"train": [("b", "mary", ("x", "y")), ("train-000002", "train-000002", ("x",))]}
    assert [u.audio_path for u in found["train"]] == [
        tmp_path / "audio/train/b.wav",
        tmp_path / "audio/train/train-000002.flac",
    ]
    assert [u.audio_path.read_bytes() for u in found["train"]] == [row["audio"]["bytes"] for row in rows]


def test_extracted_audio_is_kept_while_the_tables_are_unchanged(tmp_path, rows):
    write(tmp_path / "corpus.parquet", rows)
    before = read_huggingface(tmp_path / "corpus.parquet", tmp_path / "audio")
    inode = (tmp_path / "audio/train/b.wav").stat().st_ino
    assert read_huggingface(tmp_path / "corpus.parquet", tmp_path / "audio") == before
    assert (tmp_path / "audio/train/b.wav").stat().st_ino == inode
    (tmp_path / "audio/train/b.wav").write_bytes(b"cut")
    assert read_huggingface(tmp_path / "corpus.parquet", tmp_path / "audio") == before
    assert (tmp_path / "audio/train/b.wav").read_bytes() == rows[0]["audio"]["bytes"]
    write(tmp_path / "corpus.parquet", rows[:1])
    assert len(read_huggingface(tmp_path / "corpus.parquet", tmp_path / "audio")["train"]) == 1
    assert sorted(path.name for path in (tmp_path / "audio/train").iterdir()) == ["b.wav"]


def test_a_folder_of_other_files_is_not_replaced(tmp_path, rows):
    write(tmp_path / "corpus.parquet", rows)
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "mine.wav").touch()
    with pytest.raises(DataError, match="audio: exists and is not a folder of extracted audio"):
        read_huggingface(tmp_path / "corpus.parquet", tmp_path / "audio")


def test_audio_may_be_bytes_or_the_path_of_a_file(tmp_path):
    (tmp_path / "wav").mkdir()
    (tmp_path / "wav" / "a.wav").write_bytes(wav())
    paths = [{"audio": "wav/a.wav", "text": "x y"}]
    write(tmp_path / "train.parquet", paths)
    (found,) = read_huggingface(tmp_path, tmp_path / "audio")["train"]
    assert (found.utterance_id, found.audio_path, found.labels) == ("a", tmp_path / "wav/a.wav", ("x", "y"))
    write(tmp_path / "train.parquet", [{"audio": {"bytes": None, "path": "wav/a.wav"}, "text": "x y"}])
    assert read_huggingface(tmp_path, tmp_path / "audio")["train"] == [found]
    assert not (tmp_path / "audio").exists()
    write(tmp_path / "train.parquet", [{"audio": wav(), "text": "x y"}])
    (found,) = read_huggingface(tmp_path, tmp_path / "audio")["train"]
    assert (found.utterance_id, found.audio_path.name) == ("train-000001", "train-000001.wav")


def test_columns_may_have_other_names_and_times(tmp_path):
    row = {"sound": wav(), "ipa": ["x", "y"], "who": 7, "name": "u1", "s": [0.0, 0.1], "e": [0.05, 0.2], "text": "no"}
    write(tmp_path / "corpus.parquet", [row])
    columns = Columns("sound", "ipa", "who", "name", "s", "e")
    (found,) = read_huggingface(tmp_path / "corpus.parquet", tmp_path / "audio", columns=columns)["train"]
    assert (found.utterance_id, found.speaker) == ("u1", "7")
    assert [(p.symbol, p.first_sample, p.end_sample) for p in found.phones] == [("x", 0, 400), ("y", 800, 1600)]


@pytest.mark.parametrize("below", [".", "data"])
def test_splits_are_found_by_the_names_of_the_files(tmp_path, rows, below):
    for name in ("train-00000-of-00002", "train-00001-of-00002", "validation-00000-of-00001", "other"):
        write(tmp_path / below / f"{name}.parquet", rows)
    assert {part: [path.stem for path in paths] for part, paths in find_tables(tmp_path).items()} == {
        "train": ["train-00000-of-00002", "train-00001-of-00002"],
        "dev": ["validation-00000-of-00001"],
    }
    assert list(find_tables(tmp_path, {"train": "other"})) == ["train"]
    with pytest.raises(CorpusError, match="has splits 'other', 'train', 'validation', but no 'test'; name the split"):
        find_tables(tmp_path, {"train": "train", "test": "test"})


def test_a_single_file_is_train_unless_it_is_named_test(tmp_path, rows):
    write(tmp_path / "a" / "corpus.parquet", rows)
    assert list(find_tables(tmp_path / "a")) == ["train"]
    write(tmp_path / "b" / "test.parquet", rows)
    with pytest.raises(CorpusError, match="has no utterance of partition train; it has test"):
        read_huggingface(tmp_path / "b", tmp_path / "audio")


def test_splits_may_be_folders(tmp_path, rows):
    for name in ("train/a", "train/b", "test/a"):
        write(tmp_path / f"{name}.parquet", rows)
    assert {part: len(paths) for part, paths in find_tables(tmp_path).items()} == {"train": 2, "test": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"audio": None}, "corpus.parquet:3: has no audio; add it, or leave out the row"),
        ({"audio": {"bytes": None, "path": "none.wav"}}, "corpus.parquet:3: .*none.wav does not exist; relative paths"),
        ({"audio": {"bytes": b"x", "path": "b.wav"}}, "corpus.parquet:3: duplicate utterance id b, as in .*parquet:1"),
        ({"audio": {"bytes": b"x", "path": "a b.wav"}}, "corpus.parquet:3: utterance 'a b' has ' '"),
        ({"phones": ["a b"]}, "corpus.parquet:3: has a symbol with white space in its transcript; split it"),
        ({"phones": []}, "corpus.parquet:3: has no symbol in its transcript"),
        ({"phones": None}, "corpus.parquet:3: has no symbol in its transcript"),
        ({"phones": ["(a)"]}, r"corpus.parquet:3: symbol '\(a\)' has a bracket"),
        ({"speaker": "a/b"}, "corpus.parquet:3: speaker 'a/b' has '/'"),
    ],
)
def test_what_is_wrong_is_named_with_its_row(tmp_path, rows, change, message):
    third = {"audio": {"bytes": wav(), "path": "c.wav"}, "phones": ["z"], "speaker": "ann", **change}
    write(tmp_path / "corpus.parquet", [*rows, third])
    with pytest.raises(CorpusError, match=message):
        read_huggingface(tmp_path / "corpus.parquet", tmp_path / "audio")
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.parquet"]


@pytest.mark.parametrize(
    ("starts", "ends", "message"),
    [
        ([0.0], [0.1, 0.2], "parquet:1: has 1 times for 2 symbols; each needs a start and an end"),
        (None, [0.1, 0.2], "parquet:1: has no list of times for 2 symbols"),
        ([0.0, 0.1], [0.1, 0.05], "parquet:1: symbol 2 lasts from 0.1 to 0.05 s; times must be"),
        ([0.1, 0.0], [0.2, 0.2], "parquet:1: symbol 2 lasts from 0.0 to 0.2 s; times must be"),
        ([0.1, float("nan")], [0.2, 0.2], "parquet:1: symbol 2 lasts from nan to 0.2 s"),
    ],
)
def test_faulty_times_are_named(tmp_path, starts, ends, message):
    write(tmp_path / "c.parquet", [{"audio": wav(), "phones": ["x", "y"], "phone_starts": starts, "phone_ends": ends}])
    with pytest.raises(CorpusError, match=message):
        read_huggingface(tmp_path / "c.parquet", tmp_path / "audio")


def test_missing_columns_are_named(tmp_path, rows):
    write(tmp_path / "c.parquet", [{"audio": wav(), "ipa": "x"}])
    with pytest.raises(
        CorpusError, match=r"no column for the transcript \(phones or transcript or text\); its columns"
    ):
        read_huggingface(tmp_path / "c.parquet", tmp_path / "audio")
    with pytest.raises(CorpusError, match="has no column 'IPA'; its columns are audio, ipa"):
        read_huggingface(tmp_path / "c.parquet", tmp_path / "audio", columns=Columns(transcript="IPA"))
    write(tmp_path / "c.parquet", [{**rows[0], "phone_starts": [0.0, 0.1]}])
    with pytest.raises(CorpusError, match="has a column of starts or of ends, but not both"):
        read_huggingface(tmp_path / "c.parquet", tmp_path / "audio")


def test_damaged_tables_are_named(tmp_path, rows):
    write(tmp_path / "c.parquet", rows)
    (tmp_path / "c.parquet").write_bytes((tmp_path / "c.parquet").read_bytes()[:-200])
    with pytest.raises(CorpusError, match=r"c.parquet: is not a whole Parquet file \(.*\); copy or save it again"):
        read_huggingface(tmp_path / "c.parquet", tmp_path / "audio")
    with pytest.raises(CorpusError, match="holds neither what save_to_disk writes nor Parquet files"):
        find_tables(_empty(tmp_path))
    with pytest.raises(CorpusError, match="none: does not exist; name a folder of save_to_disk"):
        find_tables(tmp_path / "none")


def _empty(folder):
    (folder / "empty").mkdir()
    return folder / "empty"


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return pytest.importorskip("datasets", reason="datasets (Hugging Face) is not installed")


@pytest.mark.filterwarnings("ignore")
def test_data_sets_that_were_saved_to_disk_are_read(tmp_path, rows, datasets):
    def data_set(content):
        # cast, as making it from this type would need the package torchcodec
        return datasets.Dataset.from_list(content).cast_column("audio", datasets.Audio(decode=False))

    train = data_set(rows)
    other = data_set([{**rows[0], "audio": {"bytes": wav(), "path": "v.wav"}}])
    datasets.DatasetDict({"train": train, "validation": other}).save_to_disk(tmp_path / "both")
    found = read_huggingface(tmp_path / "both", tmp_path / "audio")
    assert summary(found) == {
        "train": [("b", "mary", ("x", "y")), ("train-000002", "train-000002", ("x",))],
        "dev": [("v", "mary", ("x", "y"))],
    }
    assert found["train"][0].audio_path.read_bytes() == rows[0]["audio"]["bytes"]
    train.save_to_disk(tmp_path / "one", num_shards=2)
    assert summary(read_huggingface(tmp_path / "one", tmp_path / "audio"))["train"] == summary(found)["train"]
    train.to_parquet(tmp_path / "parquet" / "train-00000-of-00001.parquet")
    assert summary(read_huggingface(tmp_path / "parquet", tmp_path / "audio"))["train"] == summary(found)["train"]
    state = json.loads((tmp_path / "one" / "state.json").read_text())
    shard = tmp_path / "one" / state["_data_files"][1]["filename"]
    shard.write_bytes(shard.read_bytes()[:-900])
    with pytest.raises(CorpusError, match=r"arrow: is not a whole Arrow stream \(.*\); copy or save it again"):
        read_huggingface(tmp_path / "one", tmp_path / "audio")
    shard.unlink()
    with pytest.raises(CorpusError, match="arrow: does not exist, but state.json names it; copy it again"):
        read_huggingface(tmp_path / "one", tmp_path / "audio")
    (tmp_path / "one" / "state.json").write_text("{}")
    with pytest.raises(CorpusError, match="state.json: names no data files; save the data set again"):
        read_huggingface(tmp_path / "one", tmp_path / "audio")


def test_faults_are_collected_and_their_utterances_kept(tmp_path, rows):
    rows[1] |= {"phones": ["a b"]}
    absent = {**rows[0], "audio": {"bytes": None, "path": "none.wav"}}
    write(tmp_path / "c.parquet", [*rows, absent])
    faults: list[Fault] = []
    found = read_huggingface(tmp_path / "c.parquet", tmp_path / "audio", faults=faults)["train"]
    assert {u.utterance_id: len(u.labels) for u in found} == {"b": 2, "none": 0, "train-000002": 0}
    assert [(fault.utterance_id, fault.error.line) for fault in faults] == [("train-000002", 2), ("none", 3)]
    write(tmp_path / "c.parquet", [absent])
    with pytest.raises(CorpusError, match="c.parquet:1: .*none.wav does not exist"):
        read_huggingface(tmp_path / "c.parquet", tmp_path / "audio", faults=[])
