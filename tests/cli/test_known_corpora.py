"""`prep` of corpora that are known by name, on tiny samples in their layouts."""

import json
import shlex

import pytest

from cnn_mellin.cli.main import main, parser
from cnn_mellin.data.partition import read_partition
from cnn_mellin.formats.symbols import read_symbols
from cnn_mellin.formats.transcripts import read_trn

KINDS = ("speechocean762", "fsdd", "voxangeles", "tusom2021")
RATES_HZ = {"speechocean762": 16000, "fsdd": 8000, "voxangeles": 44100, "tusom2021": 16000}


@pytest.fixture
def prepare(tmp_path, monkeypatch, known_corpora):
    """`prepare(kind, *options)` writes a tiny corpus, runs the example of the help and returns the data directory."""
    monkeypatch.chdir(tmp_path)

    def run(kind: str, *options: str):
        getattr(known_corpora, f"write_{kind}")(tmp_path / kind)
        bank = {"name": "fbank", "num_filts": 10, "low_hz": 20, "high_hz": 4000, "sampling_rate": RATES_HZ[kind]}
        configuration = {"name": "stft", "bank": bank, "frame_length_ms": 25, "frame_shift_ms": 10}
        (tmp_path / "small.json").write_text(json.dumps(configuration))
        example = shlex.split(f"cnn-mellin prep {kind} {kind} data")[1:]
        assert main(["--quiet", *example, "--features", "small.json", "--jobs", "1", "--partial", *options]) == 0
        return tmp_path / "data" / "small"

    return run


@pytest.mark.filterwarnings("ignore:.*removed from transcripts")
@pytest.mark.parametrize(
    ("kind", "sizes", "num_symbols"),
    [
        ("speechocean762", (6, 2, 2), 8),
        ("fsdd", (10, 10, 10), 19),
        ("voxangeles", (8, 2, 2), 4),
        ("tusom2021", (4, 1, 1), 14),
    ],
)
def test_the_example_prepares_train_dev_and_test(prepare, kind, sizes, num_symbols):
    data = prepare(kind)
    assert tuple(len(read_partition(data / part)) for part in ("train", "dev", "test")) == sizes
    assert len(read_symbols(data / "ext")) == num_symbols
    assert len(read_trn(data / "ext" / "test.ref.trn")) == sizes[2]


def test_options_reach_the_readers(prepare, capsys):
    data = prepare("speechocean762", "--adults")
    assert set((data / "ext" / "utt2spk").read_text().split()[1::2]) == {"0000", "0002", "0077"}
    assert "unchanged" not in capsys.readouterr().out
    assert main(["prep", "fsdd", "speechocean762", "data"]) == 2
    assert "holds no recordings/DIGIT_SPEAKER_NUMBER.wav" in capsys.readouterr().err


def test_perceived_and_official_options(prepare, capsys):
    prepare("speechocean762", "--perceived")
    assert main(["--quiet", "prep", "speechocean762", "speechocean762", "more"]) == 2
    assert "is not the whole speechocean762: it has 5 speakers, not 250" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parser().parse_args(["prep", "fsdd", "a", "b", "--adults"])
    assert parser().parse_args(["prep", "fsdd", "a", "b", "--official-split"]).official_split


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "file", "name"),
    [
        ("voxangeles", "data/audited_aligned/eus/eus-000-000.TextGrid", "eus-000-000"),
        ("voxangeles", "data/audited_aligned/eus/eus-000-000.wav", "eus-000-000"),
        ("speechocean762", "WAVE/SPEAKER0077/007700000.WAV", "007700000"),
        ("fsdd", "recordings/3_george_0.wav", "george-3-00"),
        ("tusom2021", "data/wav/bp1-1.wav", "bp1-1"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*removed from transcripts")
def test_damaged_files_are_named_and_may_be_left_out(prepare, known_corpora, tmp_path, capsys, kind, file, name):
    getattr(known_corpora, f"write_{kind}")(tmp_path / "damaged")
    (tmp_path / "damaged" / file).write_bytes(b"RIFF")
    prepare(kind)  # writes the configuration
    command = ["--quiet", "prep", kind, "damaged", "d", "--features", "small.json", "--partial", "--jobs", "1"]
    assert main(command) == 2
    assert f"damaged/{file}:" in capsys.readouterr().err
    assert not (tmp_path / "d" / "small").exists()
    assert main([*command, "--leave-out-damaged", "60%"]) == 0
    left = [
        id_ for part in ("train", "dev", "test") for id_ in read_partition(tmp_path / "d/small" / part).utterance_ids
    ]
    assert name not in left
    assert name in (tmp_path / "d.faults.tsv").read_text(encoding="utf-8")
    assert (
        len(left) == sum(len(read_partition(tmp_path / "data/small" / part)) for part in ("train", "dev", "test")) - 1
    )
