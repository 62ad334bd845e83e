import gzip
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cnn_mellin.cli.main import main
from cnn_mellin.data.partition import read_partition
from cnn_mellin.formats.symbols import read_symbols
from cnn_mellin.formats.transcripts import read_trn
from cnn_mellin.language_models import NgramModel

NOTES = {"do": 400, "re": 900, "mí": 2000, "fa#": 4500}
SYMBOL_SAMPLES = 2400
SETTINGS = """
[model]
convolutional_layers = 1
convolutional_initial_channels = 4
convolutional_freq_factor = 4
convolutional_factor_schedule = 1
convolutional_mellin = True
use_lift = False
window_size = 3
recurrent_type = GRU
recurrent_layers = 1
recurrent_size = 32
[training]
num_epochs = 12
log10_learning_rate = -2
learning_rate_decay_proportion = 0.5
max_gradient_norm = 5
max_time_warp = 0
max_shift_proportion = 0
dropout_prob = 0
num_time_mask = 0
num_freq_mask = 0
[data]
batch_size = 4
scale_features = True
"""


@pytest.fixture(scope="module")
def songs():
    """Partition -> name -> symbols and samples; each symbol is a tone of its own."""
    stream = np.random.default_rng(0)
    time = np.arange(SYMBOL_SAMPLES) / 16000
    parts: dict[str, dict[str, tuple[list[str], np.ndarray]]] = {}
    for part, count in (("train", 80), ("dev", 6), ("test", 6)):
        parts[part] = {}
        for i in range(count):
            chosen = [list(NOTES)[k] for k in stream.integers(0, 4, 5)]
            tones = [0.2 * np.hanning(len(time)) * np.sin(2 * np.pi * NOTES[note] * time) for note in chosen]
            samples = np.concatenate(tones) + stream.normal(0, 1e-3, 5 * len(time))
            parts[part][f"singer{i % 3}_{part}{i:02d}"] = chosen, (32768 * samples).astype(np.int16)
    return parts


@pytest.fixture
def table(tmp_path, songs) -> Path:
    """A table with one audio file per utterance."""
    (tmp_path / "wav").mkdir()
    lines = ["audio\ttranscript\tspeaker\tpartition"]
    for part, utterances in songs.items():
        for name, (symbols, samples) in utterances.items():
            soundfile.write(tmp_path / "wav" / f"{name}.flac", samples, 16000)
            lines.append(f"wav/{name}.flac\t{' '.join(symbols)}\t{name.partition('_')[0]}\t{part}")
    (tmp_path / "songs.tsv").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path / "songs.tsv"


@pytest.fixture
def kaldi(tmp_path, songs) -> Path:
    """Kaldi folders of the same corpus, with one recording per partition."""
    for part, utterances in songs.items():
        folder = tmp_path / "kaldi" / part
        folder.mkdir(parents=True)
        soundfile.write(folder / "all.wav", np.concatenate([samples for _, samples in utterances.values()]), 16000)
        (folder / "wav.scp").write_text(f"all {folder.name}/all.wav\n")
        seconds = 5 * SYMBOL_SAMPLES / 16000
        rows = {
            "segments": [f"{name} all {i * seconds} {(i + 1) * seconds}" for i, name in enumerate(utterances)],
            "text": [f"{name} {' '.join(symbols)}" for name, (symbols, _) in utterances.items()],
            "utt2spk": [f"{name} {name.partition('_')[0]}" for name in utterances],
        }
        for file, lines in rows.items():
            (folder / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path / "kaldi"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_own_symbols_are_trained_decoded_and_scored(tmp_path, table, capsys):
    data = tmp_path / "data" / "fbank-81-10ms"
    assert main(["--quiet", "prep", "table", str(table), str(data.parent)]) == 0
    ext = data / "ext"
    assert read_symbols(ext) == sorted(NOTES)
    assert (ext / "utt2spk").read_text().splitlines()[0] == "singer0_train00 singer0"
    assert not (ext / "spk2gender").exists()
    assert not (ext / "train.ref.ctm").exists()
    language_model = NgramModel.from_arpa(ext / "lm.arpa.gz", sorted(NOTES))
    expected = [language_model.perplexity(read_trn(ext / f"{part}.ref.trn").values()) for part in ("train", "test")]
    printed = capsys.readouterr()
    assert printed.err == (
        "cnn-mellin: 3 of 3 speakers are in several partitions: singer0 (train, dev, test), "
        "singer1 (train, dev, test), singer2 (train, dev, test)\n"
    )
    assert f"lm.arpa.gz: perplexity {expected[0]:.2f} (train), " in printed.out
    assert f"{expected[1]:.2f} (test)\n" in printed.out

    (tmp_path / "s.ini").write_text(SETTINGS)
    model, reference = str(tmp_path / "model"), str(ext / "test.ref.trn")
    options = ["--quiet", "--read-ini", str(tmp_path / "s.ini")]
    assert main([*options, "train", str(data / "train"), str(data / "dev"), model, "--seed", "1"]) == 0
    found = str(tmp_path / "found.trn")
    assert main(["--quiet", "decode", model, str(data / "test"), found, "--beam-width", "4", "--lm-beta", "0.1"]) == 0
    capsys.readouterr()
    assert main(["score", reference, found, "--per-speaker", "--utt2spk", str(ext / "utt2spk")]) == 0
    total = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("  total"))
    assert float(total.split()[1]) < 20
    assert total.split()[2] == "30"


@pytest.mark.slow
@pytest.mark.parametrize("features", ["fbank-81-10ms", "raw"])
def test_segments_of_a_recording_equal_files_of_their_own(tmp_path, table, kaldi, features):
    options = ["--features", features]
    assert main(["--quiet", "prep", "table", str(table), str(tmp_path / "from-table"), *options]) == 0
    root = ["--audio-root", str(kaldi)]
    assert main(["--quiet", "prep", "kaldi", str(kaldi), str(tmp_path / "from-kaldi"), *options, *root]) == 0
    assert contents(tmp_path / "from-table") == contents(tmp_path / "from-kaldi")


def _peak_megabytes(folder: Path, num_utterances: int) -> float:
    """Peak memory of a preparation of so many utterances of 0.1 s, in a process of its own."""
    stream = np.random.default_rng(0)
    folder.mkdir()
    soundfile.write(folder / "all.wav", stream.integers(-999, 999, 1600 * 1000).astype(np.int16), 16000)
    names = [f"utterance{i:06d}" for i in range(num_utterances)]
    rows = {
        "wav.scp": [f"all {folder}/all.wav"],
        "segments": [f"{name} all {i % 1000 / 10:.1f} {(i % 1000 + 1) / 10:.1f}" for i, name in enumerate(names)],
        "text": [f"{name} {' '.join(map(str, stream.integers(0, 48, 10)))}" for name in names],
        "utt2spk": [f"{name} speaker" for name in names],
    }
    for file, lines in rows.items():
        (folder / file).write_text("\n".join(lines) + "\n")
    program = (
        "import sys; from cnn_mellin.cli.main import main; status = main(sys.argv[1:]); "
        "print(open('/proc/self/status').read()); sys.exit(status)"
    )
    command = ["--quiet", "prep", "kaldi", str(folder), str(folder / "data"), "--features", "raw"]
    done = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, text=True, check=True)
    # Not from getrusage, whose peak a process inherits from its parent.
    (peak,) = (line.split()[1] for line in done.stdout.splitlines() if line.startswith("VmHWM:"))
    return int(peak) / 1024


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="/proc/self/status (Linux) tells the peak")
def test_memory_does_not_grow_with_the_audio(tmp_path):
    few, many = _peak_megabytes(tmp_path / "few", 500), _peak_megabytes(tmp_path / "many", 10_000)
    # The samples of the many are 61 MB; names, symbols and the language model take the rest.
    assert many - few < 50


def test_kaldi_folders_of_other_names_and_a_single_folder(tmp_path, kaldi, capsys):
    root = ["--audio-root", str(kaldi), "--features", "raw"]
    (kaldi / "dev").rename(kaldi / "dev_clean")
    named = ["--parts", "train", "valid=dev_clean"]
    shutil.copytree(kaldi / "dev_clean", kaldi / "dev")  # the folder that wav.scp names
    assert main(["--quiet", "prep", "kaldi", str(kaldi), str(tmp_path / "a"), *root, *named]) == 0
    assert {path.name for path in (tmp_path / "a" / "raw").iterdir()} == {"train", "valid", "ext"}
    assert len(read_partition(tmp_path / "a" / "raw" / "valid")) == 6
    assert main(["--quiet", "prep", "kaldi", str(kaldi / "test"), str(tmp_path / "b"), *root]) == 0
    assert {path.name for path in (tmp_path / "b" / "raw").iterdir()} == {"train", "ext"}
    capsys.readouterr()
    assert main(["--quiet", "prep", "kaldi", str(kaldi / "test"), str(tmp_path / "b"), *root]) == 0
    assert "train: 6 utterances, 72000 frames, unchanged\n" in capsys.readouterr().out


def test_an_own_feature_configuration_at_another_sample_rate(tmp_path, capsys):
    bank = '{"name": "fbank", "num_filts": 20, "low_hz": 20, "high_hz": 4000, "sampling_rate": 8000, "analytic": false}'
    (tmp_path / "phone-20.json").write_text(f'{{"name": "stft", "bank": {bank}, "frame_shift_ms": 10}}')
    soundfile.write(tmp_path / "a.wav", np.zeros(4000, np.int16), 8000)
    (tmp_path / "t.tsv").write_text("audio\ttranscript\na.wav\tx\n")
    command = ["--quiet", "prep", "table", str(tmp_path / "t.tsv"), str(tmp_path / "data"), "--features"]
    assert main([*command, str(tmp_path / "phone-20.json")]) == 0
    assert len(read_partition(tmp_path / "data" / "phone-20" / "train").features) == 50
    assert main([*command, "raw"]) == 2
    assert capsys.readouterr().err == (
        f"cnn-mellin: {tmp_path}/a.wav: sample rate is 8000 Hz; expected 16000 Hz; resample the file, "
        "or pass --resample\n"
    )
    assert main([*command, "raw", str(tmp_path / "phone-20.json")]) == 2
    assert "have sample rates of [8000, 16000] Hz; prepare them one by one" in capsys.readouterr().err
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"phone-20"}


def test_another_order_of_the_language_model_computes_no_features_again(tmp_path, table, capsys):
    command = ["--quiet", "prep", "table", str(table), str(tmp_path / "data")]
    ext = tmp_path / "data" / "fbank-81-10ms" / "ext"
    assert main(command) == 0
    before = gzip.decompress((ext / "lm.arpa.gz").read_bytes())
    assert b"\n\\3-grams:" in before
    assert b"\\4-grams:" not in before
    capsys.readouterr()
    assert main([*command, "--lm-order", "5"]) == 0
    assert "prepared" not in capsys.readouterr().out
    assert b"\n\\5-grams:" in gzip.decompress((ext / "lm.arpa.gz").read_bytes())
    assert main(command) == 0
    assert gzip.decompress((ext / "lm.arpa.gz").read_bytes()) == before


def test_symbols_missing_from_training_are_named(tmp_path, capsys):
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(4000, np.int16), 16000)
    (tmp_path / "t.tsv").write_text("audio\ttranscript\tpartition\na.wav\tx\ttrain\nb.wav\ty x\ttest\n")
    assert main(["--quiet", "prep", "table", str(tmp_path / "t.tsv"), str(tmp_path / "data")]) == 0
    assert capsys.readouterr().err == f"cnn-mellin: {tmp_path}/t.tsv: no training utterance has 1 of 2 symbols: y\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["table", "none.tsv", "data"], "none.tsv: does not exist"),
        (["kaldi", "kaldi", "data", "--parts", "train", "dev=a", "dev=b"], "--parts dev=b: must be PARTITION=FOLDER"),
        (["kaldi", "kaldi", "data", "--parts", "tr/ain=a"], "--parts: partition 'tr/ain' has '/'; an identifier has"),
        (["kaldi", "kaldi", "data", "--parts", "ext=a"], "--parts ext=a: must be PARTITION=FOLDER"),
        (["kaldi", "kaldi", "data", "--parts", "train=nowhere"], "kaldi/nowhere/wav.scp: does not exist"),
        (["kaldi", "kaldi", "data"], "wav.scp:1: train/all.wav does not exist; relative paths start in"),
        (["kaldi", "kaldi", "data", "--audio-root", "kaldi", "--features", "raw", "rwa"], "rwa: unknown; did you mean"),
        (["kaldi", "kaldi", "data", "--audio-root", "kaldi", "--jobs", "0"], "--jobs 0: must be at least 1"),
        (["table", "none.tsv", "data", "--lm-order", "0"], "--lm-order 0: must be at least 1"),
        (["table", "none.tsv", "data", "--speeds", "0.9", "3"], "speed 3: must lie in 0.5..2"),
        (["table", "none.tsv", "data", "--speeds", "nan"], "speed nan: must lie in 0.5..2"),
        (["table", "none.tsv", "data", "--speeds", "1"], "speed 1: is that of the recordings"),
        (["table", "none.tsv", "data", "--speeds", "0.9", "0.9"], "speeds 0.9, 0.9: one is named twice"),
        (["table", "none.tsv", "data", "--audio", "--speeds", "0.9"], "--speeds: not with --audio, which keeps"),
    ],
)
def test_wrong_input_is_one_line_and_status_2_and_writes_nothing(
    tmp_path, kaldi, monkeypatch, capsys, command, message
):
    monkeypatch.chdir(tmp_path)
    assert main(["--quiet", "prep", *command]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert message in printed.err
    assert not (tmp_path / "data").exists()
