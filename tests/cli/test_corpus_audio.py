"""Options of prep and speed for audio that has to be converted, is damaged, or has not changed."""

import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cnn_mellin.audio import audio_file
from cnn_mellin.audio.resampling import resample, resampler
from cnn_mellin.cli.main import main
from cnn_mellin.data import checked_audio
from cnn_mellin.data.partition import read_partition
from cnn_mellin.features import FeatureExtractor

RAW = ("--features", "raw")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def noise(i: int, num_samples: int = 3200) -> np.ndarray:
    return np.random.default_rng(i).integers(-3000, 3000, num_samples).astype(np.int16)


@pytest.fixture
def corpus(tmp_path) -> Path:
    """Table of 20 utterances for training and 10 for testing, each of 0.2 s and two symbols."""
    (tmp_path / "corpus").mkdir()
    rows = ["audio\ttranscript\tpartition\tspeaker"]
    for i in range(30):
        soundfile.write(tmp_path / "corpus" / f"u{i:02d}.wav", noise(i), 16000)
        rows.append(f"u{i:02d}.wav\ta b\t{'train' if i < 20 else 'test'}\t{'mary' if i < 20 else 'john'}")
    (tmp_path / "corpus" / "list.tsv").write_text("\n".join(rows) + "\n")
    time.sleep(0.03)  # states of the current tick are not recorded
    return tmp_path / "corpus"


def prep(corpus: Path, *options: str) -> int:
    return main(["--quiet", "prep", "table", str(corpus / "list.tsv"), "data", *RAW, *options])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """Names of the audio files that are opened from now on."""
    names: list[str] = []
    regular_file = audio_file._regular_file

    def recorded(path):
        names.append(Path(path).name)
        return regular_file(path)

    monkeypatch.setattr(audio_file, "_regular_file", recorded)
    return names


def missing(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def overwritten(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def stereo(path: Path) -> None:
    soundfile.write(path, np.zeros((3200, 2), np.int16), 16000)


def slow(path: Path) -> None:
    soundfile.write(path, np.zeros(1600, np.int16), 8000)


def not_a_number(path: Path) -> None:
    soundfile.write(path, np.full(3200, np.nan), 16000, subtype="FLOAT")


def no_samples(path: Path) -> None:
    soundfile.write(path, np.zeros(0, np.int16), 16000)


DAMAGES = {
    missing: "does not exist",
    empty: "is empty (0 bytes)",
    cut: "is cut short: its header promises 3200 samples",
    overwritten: "is not an audio file",
    stereo: "has 2 channels, but must have one",
    slow: "sample rate is 8000 Hz; expected 16000 Hz",
    not_a_number: "is NaN or infinite",
    no_samples: "holds no samples",
}


@pytest.fixture
def damaged(corpus) -> dict[str, str]:
    """Utterance -> expected message, for one file of each kind of damage, three of them in the test partition."""
    expected = {}
    for i, (damage, message) in enumerate(DAMAGES.items(), 15):
        damage(corpus / f"u{i:02d}.wav")
        expected[f"u{i:02d}"] = message
    return expected


def test_all_faults_are_listed_at_once_and_nothing_is_written(corpus, damaged, capsys):
    assert prep(corpus) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    *table, last = printed.err.splitlines()
    assert table[0].split() == ["fault", "count", "first"]
    assert len(table) == 1 + len(DAMAGES)
    assert any(row.split()[-2:] == ["1", f"{corpus}/u16.wav"] and row.startswith("is empty (0 bytes)") for row in table)
    assert last == (
        "cnn-mellin: 5 of 20 utterances of train, 3 of 10 utterances of test cannot be used; mend them, or leave them "
        "out with --leave-out-damaged 30%; for 1 of them, pass --channel 1 or --mix-down; for 1 of them, pass "
        "--resample; data.faults.tsv lists all of them"
    )
    header, *rows = Path("data.faults.tsv").read_text().splitlines()
    assert header == "partition\tutterance\tfault"
    assert [row.split("\t")[:2] for row in rows] == [["train" if n < "u20" else "test", n] for n in damaged]
    for row, message in zip(rows, damaged.values(), strict=True):
        assert message in row
    assert not Path("data").exists()


def test_damaged_utterances_are_left_out_named_and_counted(corpus, damaged, capsys):
    assert prep(corpus, "--leave-out-damaged", "29%") == 2
    assert "3 of 10 utterances of test cannot be used, more than --leave-out-damaged 29%" in capsys.readouterr().err
    assert not Path("data").exists()
    assert prep(corpus, "--leave-out-damaged", "30%") == 0
    printed = capsys.readouterr()
    assert "list.tsv: left out 5 of train, 3 of test; data.faults.tsv lists all of them\n" in printed.err
    assert "data/raw/train: 15 utterances, 48000 frames, prepared\n" in printed.out
    assert len(Path("data.faults.tsv").read_text().splitlines()) == 9
    left_out: dict[str, str] = {}
    for name in ("train", "test"):
        partition = read_partition(Path("data/raw") / name)
        left_out |= partition.description.source["left_out"]
        assert not set(partition.utterance_ids) & set(damaged)
    assert left_out.keys() == damaged.keys()
    assert all(damaged[name] in fault for name, fault in left_out.items())
    assert main(["data", "info", "data"]) == 0
    info = capsys.readouterr().out.splitlines()
    assert "data/raw/test: 3 of 10 utterances left out as damaged: u20, u21, u22" in info
    assert main(["data", "info", "--json", "data/raw/train"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["left_out"].keys() == {"u15", "u16", "u17", "u18", "u19"}
    assert main(["data", "verify", "data"]) == 0


def test_what_is_left_out_equals_a_corpus_that_never_had_it(corpus, capsys):
    empty(corpus / "u25.wav")
    assert prep(corpus, "--leave-out-damaged", "1") == 0
    with_fault = contents(Path("data"))
    shutil.rmtree("data")
    rows = (corpus / "list.tsv").read_text().splitlines()
    (corpus / "list.tsv").write_text("\n".join(row for row in rows if "u25" not in row))
    capsys.readouterr()
    assert prep(corpus) == 0
    assert not Path("data.faults.tsv").exists()
    without = contents(Path("data"))
    assert with_fault.keys() == without.keys()
    assert {name for name in without if without[name] != with_fault[name]} == {"raw/test/partition.json"}


def test_one_percent_is_the_default(corpus, capsys):
    empty(corpus / "u25.wav")
    assert prep(corpus, "--leave-out-damaged") == 2
    assert (
        "1 of 10 utterances of test cannot be used, more than --leave-out-damaged 1%; mend them, or allow "
        "--leave-out-damaged 10%" in capsys.readouterr().err
    )


def test_the_only_fault_is_one_line_with_its_remedies(corpus, capsys):
    cut(corpus / "u25.wav")
    assert prep(corpus) == 2
    assert capsys.readouterr().err == (
        f"cnn-mellin: {corpus}/u25.wav: is cut short: its header promises 3200 samples, but it holds 2700; copy it "
        "again; or leave it out with --leave-out-damaged 1\n"
    )
    assert not Path("data.faults.tsv").exists()


def test_transcripts_that_are_not_valid_are_faults_of_their_utterances(corpus, capsys):
    text = (corpus / "list.tsv").read_text()
    (corpus / "list.tsv").write_text(
        text.replace("u01.wav\ta b", "u01.wav\t").replace("u02.wav\ta b", "u02.wav\ta (b)")
    )
    assert prep(corpus, "--leave-out-damaged", "10%") == 0
    capsys.readouterr()
    left_out = read_partition("data/raw/train").description.source["left_out"]
    assert left_out.keys() == {"u01", "u02"}
    assert left_out["u01"].startswith("has no symbol in its transcript")


def test_a_list_of_faults_replaces_nothing_else(corpus, damaged, capsys):
    Path("notes.tsv").write_text("precious")
    assert prep(corpus, "--fault-list", "notes.tsv") == 2
    assert "--fault-list notes.tsv: exists and is not a list of faults; name another file" in capsys.readouterr().err
    assert Path("notes.tsv").read_text() == "precious"
    assert prep(corpus, "--fault-list", "faults.tsv") == 2
    assert prep(corpus, "--fault-list", "faults.tsv", "--leave-out-damaged", "8") == 0
    assert Path("faults.tsv").read_text().count("\n") == 9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--leave-out-damaged", "many"), "--leave-out-damaged many: must be a percentage of a partition, such as 1%"),
        (("--leave-out-damaged", "101%"), "--leave-out-damaged 101%: must be a percentage"),
        (("--channel", "0"), "--channel 0: must be at least 1"),
    ],
)
def test_wrong_options_are_one_line(corpus, capsys, options, message):
    assert prep(corpus, *options) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert message in printed.err


def test_damaged_kaldi_and_timit_corpora_name_all_their_faults(synthetic_timit, tmp_path, corpus, capsys):
    timit = synthetic_timit(tmp_path / "TIMIT", num_train=2)
    audio = sorted(timit.glob("TRAIN/*/*/S[IX]*.WAV"))
    audio[0].unlink()
    cut(audio[1])
    audio[2].with_suffix(".PHN").write_text("0 100 nothing\n")
    overwritten(audio[3])
    command = ["--quiet", "prep", "timit", str(timit), "timit", "--partial", *RAW]
    assert main(command) == 2
    assert "4 of 16 utterances of train cannot be used" in capsys.readouterr().err
    assert len(Path("timit.faults.tsv").read_text().splitlines()) == 5
    assert main([*command, "--leave-out-damaged", "25%"]) == 0
    assert len(read_partition("timit/raw/train")) == 12

    kaldi = tmp_path / "kaldi"
    kaldi.mkdir()
    lines = {"wav.scp": "u{0:02d} corpus/u{0:02d}.wav", "text": "u{0:02d} a b", "utt2spk": "u{0:02d} mary"}
    for name, line in lines.items():
        (kaldi / name).write_text("".join(line.format(i) + "\n" for i in range(20)))
    missing(corpus / "u03.wav")
    empty(corpus / "u04.wav")
    assert main(["--quiet", "prep", "kaldi", "kaldi", "fromkaldi", *RAW]) == 2
    assert "2 of 20 utterances of train cannot be used" in capsys.readouterr().err
    faults = Path("fromkaldi.faults.tsv").read_text().splitlines()
    assert faults[1].startswith("train\tu03\tkaldi/wav.scp:4: corpus/u03.wav does not exist; ")
    assert main(["--quiet", "prep", "kaldi", "kaldi", "fromkaldi", *RAW, "--leave-out-damaged", "2"]) == 0
    assert len(read_partition("fromkaldi/raw/train")) == 18


def test_an_unchanged_second_run_opens_no_audio_and_a_changed_file_only_itself(corpus, opened, capsys):
    assert prep(corpus) == 0
    assert set(opened) == {f"u{i:02d}.wav" for i in range(30)}
    before = contents(Path("data"))
    opened.clear()
    assert prep(corpus) == 0
    assert opened == []
    assert capsys.readouterr().out.count("unchanged") == 2
    assert contents(Path("data")) == before

    os.utime(corpus / "u03.wav")  # another time, the same content
    time.sleep(0.03)
    assert prep(corpus) == 0
    assert opened == ["u03.wav"]
    assert capsys.readouterr().out.count("unchanged") == 2
    opened.clear()

    shutil.copy(corpus / "u04.wav", corpus / "copy.wav")
    about = (corpus / "u04.wav").stat()
    os.utime(corpus / "copy.wav", ns=(about.st_atime_ns, about.st_mtime_ns))
    os.replace(corpus / "copy.wav", corpus / "u04.wav")  # another inode, with the same size, time and content
    time.sleep(0.03)
    assert prep(corpus) == 0
    assert opened == ["u04.wav"]
    opened.clear()

    soundfile.write(corpus / "u25.wav", noise(99), 16000)
    time.sleep(0.03)
    assert prep(corpus) == 0
    assert opened[0] == "u25.wav"
    assert set(opened) == {f"u{i:02d}.wav" for i in range(20, 30)}  # the partition is computed again
    assert "data/raw/test: 10 utterances, 32000 frames, prepared" in capsys.readouterr().out
    opened.clear()

    assert prep(corpus, "--check") == 0
    assert sorted(opened) == [f"u{i:02d}.wav" for i in range(30)]


def test_damage_that_left_no_trace_is_found_by_check(corpus, monkeypatch, capsys):
    monkeypatch.setattr(checked_audio, "files_state", lambda *_: [[1, 10**18 + 1, 10**18 + 1, 1, 1]])
    assert prep(corpus) == 0
    content = bytearray((corpus / "u25.wav").read_bytes())
    content[100] ^= 1
    (corpus / "u25.wav").write_bytes(content)
    capsys.readouterr()
    assert prep(corpus) == 0
    assert capsys.readouterr().out.count(", unchanged") == 2
    assert prep(corpus, "--features", "fbank-81-10ms") == 2
    message = f"{corpus}/u25.wav: holds other samples than when it was checked; run the same command again with --check"
    assert message in capsys.readouterr().err
    assert prep(corpus, "--check") == 0
    assert "data/raw/test: 10 utterances, 32000 frames, prepared" in capsys.readouterr().out
    assert prep(corpus) == 0  # the record holds what the check has found
    assert capsys.readouterr().out.count(", unchanged") == 2


def test_without_a_cache_all_audio_is_read_again(corpus, cache, opened):
    cache.write_text("a file")
    for _ in range(2):
        opened.clear()
        assert prep(corpus) == 0
        assert len(set(opened)) == 30


def test_a_damaged_record_is_not_believed(corpus, cache, opened):
    assert prep(corpus) == 0
    for record in cache.rglob("*.npy"):
        record.write_bytes(record.read_bytes()[:200])
    opened.clear()
    assert prep(corpus) == 0
    assert len(opened) == 30


def test_segments_are_read_once_per_state_of_their_recording(tmp_path, opened):
    soundfile.write("all.wav", noise(0, 32000), 16000)
    files = {
        "wav.scp": "all all.wav",
        "segments": "\n".join(f"s{i} all {i / 10} {(i + 1) / 10}" for i in range(10)),
        "text": "\n".join(f"s{i} a" for i in range(10)),
        "utt2spk": "\n".join(f"s{i} mary" for i in range(10)),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    time.sleep(0.03)
    command = ["--quiet", "prep", "kaldi", ".", "data", *RAW]
    assert main(command) == 0
    opened.clear()
    assert main(command) == 0
    assert opened == []


def test_resampled_audio_equals_audio_that_was_resampled_before(corpus, capsys):
    for i in range(30):
        soundfile.write(corpus / f"u{i:02d}.wav", noise(i, 1600 if i < 10 else 3200), 8000 if i < 10 else 16000)
    assert prep(corpus) == 2
    assert "10 of 20 utterances of train cannot be used" in capsys.readouterr().err
    assert prep(corpus, "--resample") == 0
    assert f"train: 10 resampled from 8000 to 16000 Hz with {resampler()}\n" in capsys.readouterr().out
    partition = read_partition("data/raw/train")
    source = partition.description.source
    assert source["conversion"] == {"resample": resampler()}
    assert source["sample_rates_hz"] == {"8000": 10, "16000": 10}
    expected = resample(noise(3, 1600).astype(np.float32), 8000, 16000)
    np.testing.assert_allclose(partition.features_of(3)[:, 0], expected, atol=0.01)
    assert np.array_equal(partition.features_of(12)[:, 0], noise(12))
    assert main(["data", "info", "data/raw/train"]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line == f"data/raw/train: recordings: 10 at 8000 Hz, 10 at 16000 Hz (allowed: resample {resampler()})"
    assert prep(corpus, "--resample") == 0
    assert capsys.readouterr().out.count("unchanged") == 2


def test_channels_are_mixed_down_or_chosen(corpus, capsys):
    both = np.stack([noise(1), noise(2)], 1)
    soundfile.write(corpus / "u03.wav", both, 16000)
    chosen = {("--mix-down",): both.mean(1), ("--channel", "1"): both[:, 0]}
    for options, expected in chosen.items():
        assert prep(corpus, *options) == 0
        done = "mixed down" if options == ("--mix-down",) else "of which channel 1 was taken"
        assert f"train: 1 with 2 channels {done}\n" in capsys.readouterr().out
        partition = read_partition("data/raw/train")
        np.testing.assert_allclose(partition.features_of(3)[:, 0], expected, atol=0.01)
        assert partition.description.source["channels"] == {"1": 19, "2": 1}
    assert prep(corpus, "--channel", "2") == 2
    assert "19 of 20 utterances of train, 10 of 10 utterances of test cannot be used" in capsys.readouterr().err


def test_times_of_labels_keep_their_place_at_another_sample_rate(synthetic_timit, tmp_path, capsys):
    """TIMIT's times are in samples at 16 kHz; features at 8 kHz, and audio at 8 kHz, have the same frames and ctm."""
    bank = {"name": "fbank", "num_filts": 20, "low_hz": 20, "high_hz": 4000, "sampling_rate": 8000, "analytic": False}
    Path("f8.json").write_text(json.dumps({"name": "stft", "bank": bank, "frame_shift_ms": 10}))
    timit = synthetic_timit(tmp_path / "TIMIT", num_train=2, riff=True)
    slow = shutil.copytree(timit, tmp_path / "slow")
    for path in slow.glob("*/*/*/*.WAV"):
        samples, _ = soundfile.read(path)
        path.unlink()
        with open(path, "wb") as file:
            soundfile.write(file, samples[::2], 8000, format="WAV")
    for corpus, out, features in ((timit, "a", "fbank-81-10ms"), (timit, "b", "f8.json"), (slow, "c", "fbank-81-10ms")):
        command = ["--quiet", "prep", "timit", str(corpus), out, "--partial", "--features", features]
        assert main([*command, "--resample"]) == 0
        folder = Path(out) / Path(features).stem
        assert (folder / "ext" / "test.ref.ctm").read_text() == Path("a/fbank-81-10ms/ext/test.ref.ctm").read_text(), (
            out
        )
        found, expected = read_partition(folder / "test"), read_partition("a/fbank-81-10ms/test")
        assert np.array_equal(found.references, expected.references), out
    assert FeatureExtractor.from_json("f8.json").sample_rate_hz == 8000
    assert main(["--quiet", "prep", "timit", str(slow), "d", "--partial"]) == 2
    assert "pass --resample" in capsys.readouterr().err


def test_speed_takes_the_same_options(corpus, capsys):
    stereo(corpus / "u21.wav")
    empty(corpus / "u22.wav")
    command = ["--quiet", "speed", "table", str(corpus / "list.tsv"), "out", *RAW, "--rates", "1"]
    assert main(command) == 2
    assert "2 of 10 utterances of test cannot be used" in capsys.readouterr().err
    assert not Path("out").exists()
    assert main([*command, "--mix-down", "--leave-out-damaged", "10%"]) == 0
    printed = capsys.readouterr()
    assert "left out 1 of 10 utterances of test: u22\n" in printed.err
    assert "out/test: 9 utterances" in printed.out
    assert read_partition("out/test").description.source["left_out"].keys() == {"u22"}


def test_unusual_corpora_are_warned_about_with_counts_and_names(corpus, capsys):
    text = (corpus / "list.tsv").read_text()
    text = text.replace("u00.wav\ta b", "u00.wav\ta q").replace("u20.wav\ta b\ttest\tjohn", "u20.wav\ta b\ttest\tmary")
    (corpus / "list.tsv").write_text(text.replace("u02.wav\ta b", f"u02.wav\t{'a b ' * 10}"))
    soundfile.write(corpus / "u03.wav", noise(3, 40000), 16000)
    soundfile.write(corpus / "u04.wav", noise(3, 300), 16000)
    assert prep(corpus) == 0
    assert [line.removeprefix("cnn-mellin: ") for line in capsys.readouterr().err.splitlines()] == [
        "1 of 2 speakers are in several partitions: mary (train, test)",
        "1 of 3 symbols are only in partition train: q",
        "1 of 30 utterances are over 10 times longer than the median of 0.20 s: u03 (2.50 s)",
        "1 of 30 utterances are over 10 times shorter than the median of 0.20 s: u04 (0.02 s)",
        "1 of 30 utterances have fewer than 1 symbol per second: u03 (0.80 per second)",
        "2 of 30 utterances have more than 30 symbols per second: u02 (100 per second), u04 (107 per second)",
    ]
