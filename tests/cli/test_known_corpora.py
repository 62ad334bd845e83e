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
