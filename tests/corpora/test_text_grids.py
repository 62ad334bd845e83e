import math

import numpy as np
import pytest
import soundfile

from cnn_mellin.corpora.text_grids import read_text_grids
from cnn_mellin.errors import CorpusError
from cnn_mellin.formats.text_grid import Interval, IntervalTier, write_text_grid


@pytest.fixture
def add(tmp_path):
    """`add("mary/a", phones=[(0, 0.5, "x")])` writes a recording of 2 s at 8000 Hz and its TextGrid."""

    def add_pair(name, suffix=".wav", **tiers):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path.with_suffix(suffix), np.zeros(16000, np.int16), 8000)
        named = {key.replace("_", " "): spans for key, spans in tiers.items()} or {"phones": [(0, 0.5, "x")]}
        grid = [IntervalTier(key, tuple(Interval(*span) for span in spans)) for key, spans in named.items()]
        write_text_grid(path.with_suffix(".TextGrid"), 2.0, grid)
        return path.with_suffix(".TextGrid")

    return add_pair


def seen(partitions):
    return {
        part: [(u.utterance_id, u.speaker, [(p.symbol, p.first_sample, p.end_sample) for p in u.phones]) for u in found]
        for part, found in partitions.items()
    }


def test_phones_have_the_times_of_their_intervals(add, tmp_path):
    add("a", phones=[(0.125, 0.5, " x "), (0.5, 1, "sil"), (1, 1 + 1 / 3, "y")])
    (found,) = read_text_grids(tmp_path, silences=["sil"])["train"]
    assert seen({"": [found]}) == {"": [("a", "a", [("x", 1000, 4000), ("y", 8000, round(8000 * 4 / 3))])]}
    assert (found.audio_path, found.start_s, found.end_s) == (tmp_path / "a.wav", 0, None)


def test_speakers_and_partitions_are_folders(add, tmp_path):
    for name in ("train/mary/a", "train/john/b", "train/c", "dev/ann/deep/d"):
        add(name, suffix=".FLAC")
    found = read_text_grids(tmp_path)
    assert {part: [(u.utterance_id, u.speaker) for u in us] for part, us in found.items()} == {
        "train": [("a", "mary"), ("b", "john"), ("c", "c")],
        "dev": [("d", "deep")],
    }
    found = read_text_grids(tmp_path, folders={"train": "dev", "test": "train/mary"})
    assert {part: [(u.utterance_id, u.speaker) for u in us] for part, us in found.items()} == {
        "train": [("d", "deep")],
        "test": [("a", "a")],
    }


def test_a_table_names_speakers_and_partitions(add, tmp_path):
    for name in ("a", "b", "c"):
        add(f"corpus/{name}")
    table = tmp_path / "speakers.tsv"
    table.write_text("Partition\tutterance\tspeaker\ttown\ndev\ta\tmary\tYork\n")
    with pytest.raises(CorpusError, match=r"speakers.tsv: has no line for b \(.*b.TextGrid\); add one"):
        read_text_grids(tmp_path / "corpus", table=table)
    table.write_text("partition\tutterance\tspeaker\ndev\ta\tmary\n\tb\tjohn\ntrain\tc\t\n")
    found = read_text_grids(tmp_path / "corpus", table=table)
    assert {part: [(u.utterance_id, u.speaker) for u in us] for part, us in found.items()} == {
        "train": [("b", "john"), ("c", "c")],
        "dev": [("a", "mary")],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("utterance\tage\na\t9\n", r"tsv:1: has columns \['utterance', 'age'\]; the first line must name utterance"),
        ("speaker\tpartition\na\tb\n", "tsv:1: has columns"),
        ("utterance\tspeaker\na\n", "tsv:2: has 1 fields, but the header has 2"),
        ("utterance\tspeaker\na\tm\n\na\tm\n", "tsv:4: duplicate utterance a, as in line 2"),
        ("utterance\tspeaker\na\tm\nb\tm\nc\tm\n", "tsv:3: 2 utterances have no TextGrid below .*: b, c; delete their"),
        ("utterance\tspeaker\na\tm n\n", "a.TextGrid:18: speaker 'm n' has ' '"),
        ("utterance\tpartition\na\text\n", "a.TextGrid:18: partition 'ext' is reserved"),
        ("utterance\tpartition\na\ttest\n", "has no utterance of partition train; it has test"),
    ],
)
def test_faults_of_the_table_are_named(add, tmp_path, text, message):
    add("corpus/a")
    (tmp_path / "speakers.tsv").write_text(text)
    with pytest.raises(CorpusError, match=message):
        read_text_grids(tmp_path / "corpus", table=tmp_path / "speakers.tsv")


def test_equal_file_names_need_the_names_of_their_folders(add, tmp_path):
    add("mary/1")
    add("john/1")
    with pytest.raises(CorpusError, match="mary/1.TextGrid:18: duplicate utterance id 1, as in .*john/1.TextGrid:18"):
        read_text_grids(tmp_path)
    found = read_text_grids(tmp_path, names_from_paths=True)["train"]
    assert [(u.utterance_id, u.speaker) for u in found] == [("john-1", "john"), ("mary-1", "mary")]


def test_transcripts_without_times(add, tmp_path):
    add("a", text=[(0, 1, "x  y"), (1, 1.5, ""), (1.5, 2, "z")])
    with pytest.raises(CorpusError, match="a.TextGrid:18: interval 'x  y' holds 2 symbols.* or pass untimed=True"):
        read_text_grids(tmp_path, tiers=["text"])
    (found,) = read_text_grids(tmp_path, tiers=["text"], untimed=True)["train"]
    assert (found.phones, found.transcript) == ((), ("x", "y", "z"))


def test_the_first_tier_of_several_names_counts(add, tmp_path):
    add("a", phone=[(0, 1, "x")], text=[(0, 1, "no")])
    add("b", phones=[(0, 1, "y")], phone=[(0, 1, "no")])
    found = read_text_grids(tmp_path, tiers=["phones", "phone"])["train"]
    assert [u.labels for u in found] == [("x",), ("y",)]
    add("c", text=[(0, 1, "z")])
    with pytest.raises(
        CorpusError, match="c.TextGrid: has no tier 'phones' or 'phone'; its tiers of intervals are 'te"
    ):
        read_text_grids(tmp_path, tiers=["phones", "phone"])


def test_long_recordings_are_split_at_a_tier(add, tmp_path):
    phones = [(0.1, 0.5, "a"), (0.5, 0.8, "b"), (1.2, 1.5, "c"), (1.5, 1.9, "sil")]
    add("mary/long", sentences=[(0.1, 0.8, "one"), (0.8, 1.25, ""), (1.25, 2, "two")], phones=phones)

    def split():
        return read_text_grids(tmp_path, utterance_tier="sentences", silences=["sil"])["train"]

    with pytest.raises(CorpusError, match="'c' lasts from 1.2 to 1.5 s, which lies in no single interval of tier 'sen"):
        split()
    phones[2] = (1.25, 1.5, "c")
    add("mary/long", sentences=[(0.1, 0.8, "one"), (1, 2, "two")], phones=phones)
    one, two = split()
    assert (one.utterance_id, one.speaker, one.start_s, one.end_s) == ("long-1", "mary", 0.1, 0.8)
    assert (two.utterance_id, two.speaker, two.start_s, two.end_s) == ("long-2", "mary", 1, 2)
    assert seen({"": [one, two]})[""][0][2] == [("a", 0, 3200), ("b", 3200, 5600)]
    assert seen({"": [one, two]})[""][1][2] == [("c", 2000, 4000)]
    add("mary/long", sentences=[(0, 0.8, "one")], phones=phones)
    with pytest.raises(CorpusError, match="TextGrid:.*'c' lies in no interval of tier 'sentences'"):
        split()
    add("mary/long", sentences=[(0, 1.5, "one"), (1.5, 2, "pause")], phones=phones)
    with pytest.raises(CorpusError, match="interval 'pause' of tier 'sentences' has no label in tier 'phones'"):
        split()


def test_recordings_without_a_text_grid_are_counted_and_named(add, tmp_path):
    add("a")
    for name in ("b.wav", "c.flac", "._a.TextGrid", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    with pytest.warns(UserWarning, match="2 recordings have no TextGrid beside them and are left out: b.wav, c.flac"):
        assert len(read_text_grids(tmp_path)["train"]) == 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda grid: grid.with_suffix(".wav").unlink(), "a.TextGrid: has no recording beside it, such as a.wav"),
        (lambda grid: grid.with_suffix(".flac").touch(), "a.TextGrid: has 2 recordings: a.flac, a.wav; keep one"),
        (lambda grid: grid.unlink(), "holds no file NAME.TextGrid"),
        (lambda grid: edit(grid, '"phones"', '"words"'), "has no tier 'phones'; its tiers of intervals are 'words'"),
        (lambda grid: edit(grid, '"x"', '""'), "tier 'phones' has no label besides silence"),
        (lambda grid: edit(grid, '"x"', '"(x)"'), r"a.TextGrid:18: symbol '\(x\)' has a bracket"),
        (lambda grid: edit(grid, '"x"', '"<s>"'), "a.TextGrid:18: symbol '<s>' is reserved"),
        (lambda grid: edit(grid, "xmin = 0\n", "xmin = 0.1\n"), "starts at 0.1 s, but its recording starts at 0"),
    ],
)
def test_what_is_wrong_is_named(add, tmp_path, fault, message):
    fault(add("a"))
    with pytest.raises(CorpusError, match=message):
        read_text_grids(tmp_path)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_folders_that_are_not_there_are_named(tmp_path):
    with pytest.raises(CorpusError, match="none: does not exist; name a folder"):
        read_text_grids(tmp_path / "none")
    with pytest.raises(CorpusError, match="read: does not exist; name a folder of the corpus"):
        read_text_grids(tmp_path, folders={"train": "read"})


def test_times_past_the_end_of_damaged_audio_are_left_to_preparation(add, tmp_path):
    add("a").with_suffix(".wav").write_bytes(b"not audio")
    (found,) = read_text_grids(tmp_path)["train"]
    assert math.isclose(found.phones[0].end_sample, 0.5 * 16000)
