import gzip
import json

import numpy as np
import pytest
import soundfile

from cnn_mellin.corpora.fault import Fault
from cnn_mellin.corpora.lhotse import find_manifests, read_lhotse
from cnn_mellin.errors import CorpusError

RECORDING = {
    "id": "r1",
    "sources": [{"type": "file", "channels": [0], "source": "r1.wav"}],
    "sampling_rate": 8000,
    "num_samples": 16000,
    "duration": 2.0,
    "channel_ids": [0],
}
SUPERVISIONS = [
    {"id": "u2", "recording_id": "r1", "start": 0.5, "duration": 1.5, "channel": 0, "text": "b  a", "speaker": "mary"},
    {
        "id": "u1",
        "recording_id": "r1",
        "start": 0.0,
        "duration": 0.5,
        "channel": 0,
        "text": "a",
        "gender": "Female",
        "alignment": {"phone": [["sil", 0.0, 0.1], ["a", 0.1, 0.3, 0.9], ["", 0.4, 0.1]], "word": [["one", 0, 0.5]]},
    },
]


@pytest.fixture
def folder(tmp_path):
    soundfile.write(tmp_path / "r1.wav", np.zeros(16000, np.int16), 8000)
    write(tmp_path / "recordings.jsonl", [RECORDING])
    write(tmp_path / "supervisions.jsonl", SUPERVISIONS)
    return tmp_path


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_supervisions_are_utterances(folder):
    one, two = read_lhotse(folder, audio_root=folder)["train"]
    assert (one.utterance_id, one.speaker, one.labels, one.start_s, one.end_s) == ("u1", "u1", ("a",), 0, 0.5)
    assert (two.utterance_id, two.speaker, two.labels, two.start_s, two.end_s) == ("u2", "mary", ("b", "a"), 0.5, None)
    assert (one.phones, two.phones, one.gender, two.gender) == ((), (), "f", "")
    assert one.audio_path == folder / "r1.wav"


def test_an_alignment_gives_symbols_and_times(folder):
    later = {**SUPERVISIONS[0], "alignment": {"phone": [["b", 0.5, 0.5], ["a", 1.0, 0.75]]}}
    write(folder / "supervisions.jsonl", [later, SUPERVISIONS[1]])
    one, two = read_lhotse(folder, alignment="phone", silences=["sil"], audio_root=folder)["train"]
    assert [(p.symbol, p.first_sample, p.end_sample) for p in one.phones] == [("a", 800, 3200)]
    # relative to the utterance, which starts at 0.5 s
    assert [(p.symbol, p.first_sample, p.end_sample) for p in two.phones] == [("b", 0, 4000), ("a", 4000, 10000)]


def test_manifests_are_found_by_their_names(tmp_path):
    for name in ("recordings_train.jsonl.gz", "supervisions_train.jsonl.gz", "cuts_train.jsonl.gz", "notes.txt"):
        (tmp_path / f"my_{name}").touch()
    for name in ("recordings_dev-clean.jsonl", "supervisions_dev-clean.jsonl", "recordings_test.jsonl"):
        (tmp_path / f"my_{name}").touch()
    with pytest.raises(CorpusError, match="has no file supervisions_test.jsonl.gz; partition test needs one such"):
        find_manifests(tmp_path)
    (tmp_path / "supervisions_test.jsonl.gz").touch()
    assert {part: [path.name for path in paths] for part, paths in find_manifests(tmp_path).items()} == {
        "train": ["my_recordings_train.jsonl.gz", "my_supervisions_train.jsonl.gz"],
        "test": ["my_recordings_test.jsonl", "supervisions_test.jsonl.gz"],
    }
    named = find_manifests(tmp_path, {"train": "dev-clean"})
    assert [path.name for path in named["train"]] == [
        "my_recordings_dev-clean.jsonl",
        "my_supervisions_dev-clean.jsonl",
    ]
    (tmp_path / "other_recordings_test.jsonl").touch()
    with pytest.raises(CorpusError, match="has my_recordings_test.jsonl, other_recordings_test.jsonl; partition test"):
        find_manifests(tmp_path)


def test_folders_without_manifests_are_refused(tmp_path):
    with pytest.raises(CorpusError, match="none: does not exist; name a folder with the manifests"):
        find_manifests(tmp_path / "none")
    with pytest.raises(CorpusError, match="has no files like recordings_train.jsonl.gz"):
        find_manifests(tmp_path)
    (tmp_path / "recordings_train-clean.jsonl").touch()
    with pytest.raises(CorpusError, match="has manifests of train-clean; name the partitions, such as parts=train="):
        find_manifests(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": None}, "recordings.jsonl:1: id is 'None'; it must be a text"),
        ({"sources": []}, "recordings.jsonl:1: recording r1 has no or several sources; it must have one"),
        ({"sources": [{"type": "command", "source": "sox |"}]}, "recording r1 has a source of type 'command'"),
        (
            {"sources": [{"type": "file", "source": "none.wav"}]},
            "recordings.jsonl:1: .*none.wav does not exist; relative",
        ),
        ({"channel_ids": [0, 1]}, "recording r1 has 2 channels; write each to a file of its own"),
        ({"transforms": [{"name": "Speed", "kwargs": {"factor": 0.9}}]}, "recording r1 is transformed when it is read"),
        ({"sampling_rate": 0}, "recordings.jsonl:1: sampling_rate is '0'; it must be a whole number of at least 1"),
        ({"duration": "2"}, "recordings.jsonl:1: duration is '2'; it must be a number of at least 0"),
    ],
)
def test_faults_of_recordings_are_named(folder, change, message):
    write(folder / "recordings.jsonl", [{**RECORDING, **change}])
    with pytest.raises(CorpusError, match=message):
        read_lhotse(folder, audio_root=folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recording_id": "r2"}, "supervisions.jsonl:1: recording r2 is not in .*recordings.jsonl; add it there"),
        ({"id": "u1"}, "supervisions.jsonl:2: duplicate utterance id u1, as in .*supervisions.jsonl:1"),
        ({"id": "u/2"}, "supervisions.jsonl:1: utterance 'u/2' has '/'"),
        ({"speaker": "mary ann"}, "supervisions.jsonl:1: speaker 'mary ann' has ' '"),
        ({"start": -1}, "supervisions.jsonl:1: start is '-1'; it must be a number of at least 0"),
        ({"start": float("nan")}, "supervisions.jsonl:1: start is 'nan'"),
        ({"duration": 0}, "supervisions.jsonl:1: duration is '0'; it must be above 0"),
        ({"text": ""}, "supervisions.jsonl:1: has no symbol in its transcript"),
        ({"text": None}, "supervisions.jsonl:1: has no symbol in its transcript"),
    ],
)
def test_faults_of_supervisions_are_named(folder, change, message):
    write(folder / "supervisions.jsonl", [{**SUPERVISIONS[0], **change}, SUPERVISIONS[1]])
    with pytest.raises(CorpusError, match=message):
        read_lhotse(folder, audio_root=folder)


@pytest.mark.parametrize(
    ("alignment", "message"),
    [
        (None, r"jsonl:1: has no alignment 'phone'; its alignments are none; name one of them"),
        ({"word": [["a", 0, 1]]}, "jsonl:1: has no alignment 'phone'; its alignments are 'word'"),
        ({"phone": [["a", 0.5]]}, r"jsonl:1: alignment 'phone' has .*an item is \[symbol, start, duration, score\]"),
        ({"phone": [["a", 0.5, None]]}, "jsonl:1: alignment 'phone' has .*None"),
        ({"phone": [["a b", 0.5, 1]]}, "jsonl:1: alignment 'phone' has 'a b'; split it into symbols"),
        ({"phone": [["a", 0.5, 1], ["b", 0.4, 1]]}, "jsonl:1: alignment 'phone': 'b' starts at 0.4 s, before 'a'"),
        ({"phone": [["sil", 0.5, 1]]}, "jsonl:1: alignment 'phone' has no symbol besides silence"),
    ],
)
def test_faults_of_alignments_are_named(folder, alignment, message):
    write(folder / "supervisions.jsonl", [{**SUPERVISIONS[0], "alignment": alignment}])
    with pytest.raises(CorpusError, match=message):
        read_lhotse(folder, alignment="phone", silences=["sil"], audio_root=folder)


def test_lines_that_are_not_json_are_named(folder):
    path = folder / "supervisions.jsonl"
    path.write_text(json.dumps(SUPERVISIONS[0]) + "\n\n{'id': 1}\n")
    with pytest.raises(CorpusError, match=r"jsonl:3: is not JSON \(.*\); expected a supervision of Lhotse"):
        read_lhotse(folder, audio_root=folder)
    path.write_text("[]\n")
    with pytest.raises(CorpusError, match="jsonl:1: holds a JSON list; expected a supervision"):
        read_lhotse(folder, audio_root=folder)
    path.write_text("[" * 100_000)
    with pytest.raises(CorpusError, match="jsonl:1: is nested too deeply"):
        read_lhotse(folder, audio_root=folder)
    write(folder / "recordings.jsonl", [RECORDING, RECORDING])
    with pytest.raises(CorpusError, match="recordings.jsonl:2: duplicate recording r1"):
        read_lhotse(folder, audio_root=folder)
    path.unlink()
    path.with_suffix(".jsonl.gz").write_bytes(gzip.compress(b"{}\n")[:-6])
    write(folder / "recordings.jsonl", [RECORDING])
    with pytest.raises(CorpusError, match="supervisions.jsonl.gz: is not a whole gzip file"):
        read_lhotse(folder, audio_root=folder)


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_manifests_that_lhotse_wrote_are_read(folder, tmp_path, suffix):
    lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed")
    from lhotse.supervision import AlignmentItem

    written = tmp_path / "written"
    written.mkdir()
    recording = lhotse.Recording.from_file(folder / "r1.wav", recording_id="r1")
    lhotse.RecordingSet.from_recordings([recording]).to_file(written / f"demo_recordings_train{suffix}")
    items = [AlignmentItem("b", 0.6, 0.3), AlignmentItem("a", 0.9, 0.8, 0.5)]
    supervisions = [
        lhotse.SupervisionSegment("u1", "r1", 0.0, 0.5, text="a", speaker="mary", gender="F"),
        lhotse.SupervisionSegment("u2", "r1", 0.5, 1.5, text="b a", speaker="mary").with_alignment("phone", items),
    ]
    path = written / f"demo_supervisions_train{suffix}"
    lhotse.SupervisionSet.from_segments(supervisions).to_file(path)
    one, two = read_lhotse(written)["train"]
    assert (one.utterance_id, one.speaker, one.gender, one.labels, one.end_s) == ("u1", "mary", "f", ("a",), 0.5)
    assert (two.labels, two.start_s, two.end_s, two.audio_path) == (("b", "a"), 0.5, None, folder / "r1.wav")
    lhotse.SupervisionSet.from_segments(supervisions[1:]).to_file(path)
    (two,) = read_lhotse(written, alignment="phone")["train"]
    assert [(p.symbol, p.first_sample, p.end_sample) for p in two.phones] == [("b", 800, 3200), ("a", 3200, 9600)]


def test_faults_are_collected_and_their_utterances_kept(folder):
    other = {**RECORDING, "id": "r2", "sources": [{"type": "file", "channels": [0], "source": "none.wav"}]}
    write(folder / "recordings.jsonl", [RECORDING, other])
    third = {**SUPERVISIONS[0], "id": "u3", "recording_id": "r2"}
    write(folder / "supervisions.jsonl", [*SUPERVISIONS, third, {**SUPERVISIONS[0], "id": "u4", "text": ""}])
    faults: list[Fault] = []
    found = read_lhotse(folder, audio_root=folder, faults=faults)["train"]
    assert [(u.utterance_id, len(u.labels)) for u in found] == [("u1", 1), ("u2", 2), ("u3", 0), ("u4", 0)]
    assert [(fault.utterance_id, fault.error.line) for fault in faults] == [("u3", 2), ("u4", 4)]
    write(folder / "supervisions.jsonl", [third])
    with pytest.raises(CorpusError, match="recordings.jsonl:2: .*none.wav does not exist"):
        read_lhotse(folder, audio_root=folder, faults=[])
