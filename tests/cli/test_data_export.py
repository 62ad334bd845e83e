"""Corpora go out to other programs' formats and come in again, without a difference."""

import gzip
import importlib.util
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cnn_mellin.cli.main import main
from cnn_mellin.data.partition import read_partition
from cnn_mellin.formats.text_grid import Interval, IntervalTier, read_text_grid, write_text_grid

FEATURES = "fbank-81-10ms"
SYMBOLS = ["a", "ɛ", "t͡ʃ", '"s', "sil"]
NUMBERS = {"train": 5, "dev": 2, "test": 2}


def spoken(stream, num_phones):
    """Samples of noise, and phones at sample-exact times with gaps between some of them."""
    lengths = stream.integers(300, 2500, num_phones)
    gaps = np.where(stream.random(num_phones) < 0.4, stream.integers(1, 900, num_phones), 0)
    ends = np.cumsum(lengths + gaps)
    samples = stream.integers(-9000, 9000, ends[-1] + int(stream.integers(0, 400))).astype(np.int16)
    phones = [(e - n, e, SYMBOLS[stream.integers(len(SYMBOLS))]) for e, n in zip(ends, lengths, strict=True)]
    return samples, phones


@pytest.fixture(scope="module")
def speech():
    """Partition -> utterance -> speaker, samples and phones."""
    stream = np.random.default_rng(3)
    return {
        part: {
            f"{speaker}_{part}{i}": (speaker, *spoken(stream, 3 + i))
            for i in range(number)
            for speaker in (["mary", "john", "ann"][i % 3],)
        }
        for part, number in NUMBERS.items()
    }


@pytest.fixture
def timed(tmp_path, speech, monkeypatch):
    """A data directory whose phones have times; the current folder is beside it."""
    monkeypatch.chdir(tmp_path)
    for part, utterances in speech.items():
        for name, (speaker, samples, phones) in utterances.items():
            folder = Path("praat", part, speaker)
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / f"{name}.flac", samples, 16000)
            intervals = tuple(Interval(float(first / 16000), float(end / 16000), s) for first, end, s in phones)
            tiers = [IntervalTier("phones", intervals)]
            write_text_grid(folder / f"{name}.TextGrid", len(samples) / 16000, tiers)
    assert run("prep textgrid praat data --features", FEATURES, "raw") == 0
    return Path("data")


@pytest.fixture
def segmented(tmp_path, speech, monkeypatch):
    """A data directory of Kaldi folders with several utterances per recording, without times of phones."""
    monkeypatch.chdir(tmp_path)
    for part, utterances in speech.items():
        folder = Path("kaldi", part)
        folder.mkdir(parents=True)
        place = 1000
        rows: dict[str, list[str]] = {"segments": [], "text": [], "utt2spk": []}
        everything = [np.zeros(place, np.int16)]
        for name, (speaker, samples, phones) in utterances.items():
            rows["segments"].append(f"{name} all {place / 16000!r} {(place + len(samples)) / 16000!r}")
            rows["text"].append(f"{name} {' '.join(symbol for _, _, symbol in phones)}")
            rows["utt2spk"].append(f"{name} {speaker}")
            everything += [samples, np.zeros(77, np.int16)]
            place += len(samples) + 77
        soundfile.write(folder / "all.wav", np.concatenate(everything), 16000)
        (folder / "wav.scp").write_text(f"all {folder}/all.wav\n")
        for file, lines in rows.items():
            (folder / file).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    assert run("prep kaldi kaldi data --features", FEATURES, "raw") == 0
    return Path("data")


def run(line, *more):
    return main(["--quiet", *line.split(), *more])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def same(one: Path, other: Path) -> None:
    """Compare features, references, speakers, symbols and all else of data directories, byte for byte."""
    found, expected = contents(other), contents(one)
    assert set(found) == set(expected)
    assert [name for name in expected if found[name] != expected[name]] == []


TIMED_AGAIN = {"kaldi": "", "lhotse": "--alignment phone", "textgrid": "", "huggingface": ""}
UNTIMED_AGAIN = {**TIMED_AGAIN, "lhotse": "", "textgrid": "--tier transcript --untimed"}


def write_table():
    rows = [f"{path}\tx\t{path.parts[1]}\n" for path in sorted(Path("praat").rglob("*.flac"))]
    Path("corpus.tsv").write_text("audio\ttranscript\tpartition\n" + "".join(rows))


@pytest.mark.slow
@pytest.mark.parametrize("form", TIMED_AGAIN)
@pytest.mark.parametrize("audio", ["raw", "files"])
def test_timed_phones_go_out_and_in_again(timed, form, audio):
    pytest.importorskip("pyarrow" if form == "huggingface" else "soundfile", reason="pyarrow is not installed")
    rows = [f"{path}\tx\t{path.parts[1]}\n" for path in sorted(Path("praat").rglob("*.flac"))]
    Path("corpus.tsv").write_text("audio\ttranscript\tpartition\n" + "".join(rows))
    options = ["--audio", "corpus.tsv"] if audio == "files" else []
    assert run(f"data export data/{FEATURES} out --to", form, *options) == 0
    assert run(f"prep {form} out again {TIMED_AGAIN[form]} --features", FEATURES, "raw") == 0
    for features in (FEATURES, "raw"):
        same(timed / features, Path("again", features))
    references = read_partition(f"again/{FEATURES}/train").references
    assert (references[:, 1:] >= 0).all()
    assert len(references) == 3 + 4 + 5 + 6 + 7


@pytest.mark.slow
@pytest.mark.parametrize("form", TIMED_AGAIN)
def test_without_raw_audio_times_are_those_of_frames(timed, form):
    """They give the same frames again, although the length of an utterance is not a whole number of frames."""
    pytest.importorskip("pyarrow" if form == "huggingface" else "soundfile", reason="pyarrow is not installed")
    shutil.rmtree("data/raw")
    write_table()
    assert run(f"data export data/{FEATURES} out --audio corpus.tsv --to", form) == 0
    assert run(f"prep {form} out again {TIMED_AGAIN[form]} --features", FEATURES) == 0
    for part in NUMBERS:
        before, after = read_partition(timed / FEATURES / part), read_partition(Path("again", FEATURES, part))
        assert before.digest == after.digest  # of ids, features and references
        assert np.array_equal(before.references, after.references)


@pytest.mark.slow
@pytest.mark.parametrize("form", UNTIMED_AGAIN)
@pytest.mark.parametrize("audio", ["raw", "files"])
def test_segments_of_recordings_go_out_and_in_again(segmented, form, audio):
    pytest.importorskip("pyarrow" if form == "huggingface" else "soundfile", reason="pyarrow is not installed")
    options = ["--audio", "kaldi"] if audio == "files" else []
    assert run(f"data export data/{FEATURES} out --to", form, *options) == 0
    assert run(f"prep {form} out again {UNTIMED_AGAIN[form]} --features", FEATURES, "raw") == 0
    for features in (FEATURES, "raw"):
        same(segmented / features, Path("again", features))
    if form == "kaldi" and audio == "files":
        assert sorted(Path("out/train/segments").read_text().split()) == sorted(
            Path("kaldi/train/segments").read_text().split()
        )
        assert Path("out/train/wav.scp").read_text() == f"all {Path('kaldi/train/all.wav').absolute()}\n"


def test_one_partition_and_an_older_export(timed, capsys):
    assert run(f"data export data/{FEATURES} out --to lhotse") == 0
    assert run(f"data export data/{FEATURES}/dev out --to kaldi") == 0
    assert capsys.readouterr().out.endswith("out: dev: 2 utterances\n")
    assert {path.name for path in Path("out").iterdir()} == {"dev", "export.json"}
    assert sorted(path.name for path in Path("out/dev").iterdir()) == [
        *("phones.ctm", "spk2utt", "text", "utt2spk", "wav", "wav.scp"),
    ]
    Path("other").mkdir()
    Path("other/mine.txt").touch()
    assert run(f"data export data/{FEATURES}/dev other --to kaldi") == 2
    assert "other: exists and is not a folder that cnn-mellin data export wrote" in capsys.readouterr().err
    assert run(f"data export data/{FEATURES} data/{FEATURES}/dev --to kaldi") == 2
    assert "lies inside the input" in capsys.readouterr().err


def test_labels_need_no_audio(timed):
    shutil.rmtree("data/raw")
    for form in ("kaldi", "lhotse", "textgrid"):
        assert run(f"data export data/{FEATURES}/dev out --labels-only --to", form) == 0
        kinds = {path.suffix for path in Path("out").rglob("*") if path.is_file()}
        assert kinds <= {"", ".gz", ".TextGrid", ".ctm", ".json"}
    (path,) = Path("out").rglob("john_dev1.TextGrid")
    reference = read_partition(f"data/{FEATURES}/dev").reference_of(0)
    intervals = [i for i in read_text_grid(path).interval_tier("phones").intervals if i.text]
    assert [[round(i.start_s * 100), round(i.end_s * 100)] for i in intervals] == reference[:, 1:].tolist()


def test_lhotse_reads_what_is_written(timed, speech):
    lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed")
    assert run(f"data export data/{FEATURES} out --to lhotse") == 0
    recordings = lhotse.RecordingSet.from_file("out/recordings_test.jsonl.gz").to_eager()
    supervisions = lhotse.SupervisionSet.from_file("out/supervisions_test.jsonl.gz").to_eager()
    lhotse.validate_recordings_and_supervisions(recordings, supervisions)
    for name, (speaker, samples, phones) in speech["test"].items():
        (found,) = supervisions.filter(lambda supervision, name=name: supervision.id == name)
        assert (found.speaker, found.text) == (speaker, " ".join(symbol for _, _, symbol in phones))
        items = [(round(16000 * i.start), round(16000 * i.end), i.symbol) for i in found.alignment["phone"]]
        assert items == phones
        assert np.array_equal(recordings[found.recording_id].load_audio()[0] * 32768, samples)


def test_praatio_reads_what_is_written(timed, speech):
    textgrid = pytest.importorskip("praatio.textgrid", reason="praatio is not installed")
    assert run(f"data export data/{FEATURES} out --to textgrid") == 0
    for name, (speaker, samples, phones) in speech["test"].items():
        path = Path("out/test", speaker, name)
        found = textgrid.openTextgrid(f"{path}.TextGrid", includeEmptyIntervals=False)
        entries = [(round(16000 * e.start), round(16000 * e.end), e.label) for e in found.getTier("phones").entries]
        assert entries == phones
        assert np.array_equal(soundfile.read(f"{path}.wav", dtype="int16")[0], samples)


@pytest.mark.filterwarnings("ignore")
def test_datasets_reads_what_is_written(timed, speech, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="datasets (Hugging Face) is not installed")
    assert run(f"data export data/{FEATURES} out --to huggingface") == 0
    found = datasets.Dataset.from_parquet("out/test-00000-of-00001.parquet", cache_dir=str(tmp_path / "cache"))
    assert isinstance(found.features["audio"], datasets.Audio)
    rows = {row["utterance"]: row for row in found.cast_column("audio", datasets.Audio(decode=False))}
    for name, (speaker, samples, phones) in speech["test"].items():
        assert (rows[name]["speaker"], rows[name]["phones"]) == (speaker, [symbol for _, _, symbol in phones])
        assert [round(16000 * s) for s in rows[name]["phone_starts"]] == [first for first, _, _ in phones]
        assert rows[name]["audio"]["path"] == f"{name}.wav"
        assert rows[name]["audio"]["bytes"][44:] == samples.tobytes()
    # and what it writes of that is read again
    found.cast_column("audio", datasets.Audio(decode=False)).save_to_disk("saved")
    assert run("prep huggingface saved again --features", FEATURES) == 0
    assert read_partition(f"again/{FEATURES}/train").digest == read_partition(f"data/{FEATURES}/test").digest


def test_faults_are_one_line_and_write_nothing(timed, capsys):
    shutil.rmtree("data/raw/dev")
    Path("few.tsv").write_text("audio\ttranscript\tutterance\npraat/dev/mary/mary_dev0.flac\tx\tmary_dev0\n")
    for words, message in (
        (
            f"data/{FEATURES}/dev out --to kaldi",
            "data/raw/dev, but .* prepare .* raw .*, or pass --audio CORPUS or --labels-only",
        ),
        (f"data/{FEATURES}/dev out --to kaldi --audio few.tsv", "1 utterances are not among the recordings: john_dev1"),
        (f"data/{FEATURES}/dev out --to kaldi --audio none.tsv", "none.tsv: does not exist"),
        (
            f"data/{FEATURES}/dev out --to kaldi --audio few.tsv --labels-only",
            "--labels-only: takes no audio, but --audi",
        ),
        (f"data/{FEATURES}/dev out --audio few.tsv", "--audio few.tsv: tensor files hold neither"),
        (f"data/{FEATURES}/dev out --to kaldi --epoch 3", "--epoch 3: is an epoch of a model; name it with --model"),
        (f"data/{FEATURES}/dev out --to kaldi --labels-only --model none", "none: .*model"),
        ("data out --to kaldi", "data: holds 2 data directories, of different features: .*; name one of them"),
        ("praat out --to kaldi", "praat: holds no partition"),
        (f"data/{FEATURES} out --to praat", "--to praat: must be tensors, kaldi, lhotse, textgrid or huggingface"),
    ):
        try:
            status = run("data export", *words.split())
        except SystemExit as end:
            status = int(str(end.code))
        printed = capsys.readouterr()
        assert status == 2, words
        assert printed.err.count("\n") == 1
        assert re.search(message, printed.err), printed.err
        assert not Path("out").exists()


def test_a_missing_pyarrow_is_named(timed, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pyarrow" else find(name))
    assert run(f"data export data/{FEATURES} out --to huggingface") == 2
    assert "needs pyarrow, which is not installed; install the extra huggingface" in capsys.readouterr().err
    assert run("prep huggingface out again") == 2
    assert "prep huggingface: needs pyarrow, which is not installed" in capsys.readouterr().err
    assert not Path("again").exists()


SETTINGS = """\
[model]
convolutional_layers = 1
convolutional_initial_channels = 2
convolutional_time_factor = 1
recurrent_layers = 1
recurrent_size = 4
window_stride = 2
[training]
num_epochs = 1
"""


def test_alignments_of_a_model_go_out(timed, capsys):
    Path("tiny.ini").write_text(SETTINGS)
    train, dev = f"data/{FEATURES}/train", f"data/{FEATURES}/dev"
    assert run("--read-ini tiny.ini train", train, dev, "model") == 0
    capsys.readouterr()
    for form in ("kaldi", "lhotse", "textgrid"):
        assert run(f"data export {dev} {form} --model model --to", form) == 0
    (path,) = Path("textgrid").rglob("mary_dev0.TextGrid")
    grid = read_text_grid(path)
    aligned = [i for i in grid.interval_tier("aligned").intervals if i.text]
    phones = [i for i in grid.interval_tier("phones").intervals if i.text]
    assert [i.text for i in aligned] == [i.text for i in phones]
    assert all(i.start_s < i.end_s <= grid.end_s for i in aligned)
    ctm = [line.split() for line in Path("kaldi/dev/aligned.ctm").read_text().splitlines() if "mary_dev0" in line]
    assert [float(row[2]) for row in ctm] == [i.start_s for i in aligned]
    assert [round(float(row[2]) * 1000) % 20 for row in ctm] == [0] * len(ctm)  # stride 2 of 10 ms
    with gzip.open("lhotse/supervisions_dev.jsonl.gz") as file:
        rows = [json.loads(line) for line in file]
    (row,) = [row for row in rows if row["id"] == "mary_dev0"]
    assert [item[:2] for item in row["alignment"]["aligned"]] == [[i.text, i.start_s] for i in aligned]
    assert [item[0] for item in row["alignment"]["phone"]] == [i.text for i in phones]


@pytest.mark.slow
def test_recordings_of_another_sample_rate_keep_their_times(timed, tmp_path):
    """The same TextGrids beside recordings at 24 kHz give the same references, in and out and in again."""
    for path in sorted(Path("praat").rglob("*.flac")):
        samples, rate = soundfile.read(path)
        at_24 = np.interp(np.arange(len(samples) * 3 // 2) / 24000, np.arange(len(samples)) / rate, samples)
        place = Path("other") / path.relative_to("praat")
        place.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(place, at_24, 24000)
        shutil.copy(path.with_suffix(".TextGrid"), place.with_suffix(".TextGrid"))
    assert run("prep textgrid other resampled --resample --features", FEATURES, "raw") == 0
    rows = [f"{path.absolute()}\tx\n" for path in sorted(Path("other").rglob("*.flac"))]
    Path("other.tsv").write_text("audio\ttranscript\n" + "".join(rows))
    for number, form in enumerate(TIMED_AGAIN):
        assert run(f"data export resampled/{FEATURES} out --audio other.tsv --to", form) == 0
        options = f"--resample --features {FEATURES} raw"
        assert run(f"prep {form} out again{number} {TIMED_AGAIN[form]} {options}") == 0
    for part in NUMBERS:
        for data in ("resampled", *(f"again{number}" for number in range(len(TIMED_AGAIN)))):
            for features in (FEATURES, "raw"):
                expected = read_partition(timed / features / part).references
                found = read_partition(Path(data, features, part)).references
                assert np.abs(found - expected).max() <= (features == "raw"), data


def test_damaged_recordings_are_left_out(timed, capsys):
    faulty = sorted(Path("praat/train").rglob("*.flac"))[:2]
    faulty[0].unlink()
    faulty[1].write_bytes(faulty[1].read_bytes()[:-100])
    capsys.readouterr()
    assert run(f"prep textgrid praat again --features {FEATURES}") == 2
    printed = capsys.readouterr().err
    assert (
        "2 of 5 utterances of train cannot be used; mend them, or leave them out with --leave-out-damaged 40%"
        in printed
    )
    assert not Path("again").exists()
    assert run(f"prep textgrid praat again --leave-out-damaged 40% --features {FEATURES}") == 0
    found = set(read_partition(f"again/{FEATURES}/train").utterance_ids)
    assert set(read_partition(f"data/{FEATURES}/train").utterance_ids) - found == {path.stem for path in faulty}
