import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cnn_mellin.cli.main import main
from cnn_mellin.data.symbols import read_symbols


@pytest.fixture(scope="module")
def data(synthetic_timit, tmp_path_factory) -> Path:
    """Data directories of a small corpus."""
    folder = tmp_path_factory.mktemp("data")
    corpus = synthetic_timit(folder / "corpus", num_train=2)
    features = ["--features", "fbank-81-10ms", "raw"]
    assert main(["--quiet", "prep", "timit", str(corpus), str(folder / "data"), "--partial", *features]) == 0
    return folder / "data"


def test_info_is_a_line_a_partition(data, capsys):
    assert main(["data", "info", str(data)]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split()[:4] == ["partition", "utterances", "hours", "frames"]
    assert [row.split()[0] for row in rows] == [
        str(data / features / part) for features in ("fbank-81-10ms", "raw") for part in ("dev", "test", "train")
    ]
    train = rows[2].split()
    assert train[1:5] == ["16", "0.00", "800", "50/50/50"]
    assert "fbank-81-10ms (81 every 10 ms)" in rows[2]
    assert main(["data", "info", "--json", str(data / "raw" / "train")]) == 0
    (summary,) = json.loads(capsys.readouterr().out)
    assert summary["num_frames"] == 16 * 8000
    assert summary["hours"] == pytest.approx(16 * 0.5 / 3600)


def test_verify_says_clean_or_names_every_fault(data, tmp_path, capsys):
    assert main(["data", "verify", str(data)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.count(": clean\n") == 6
    target = tmp_path / "train"
    assert main(["data", "export", str(data / "fbank-81-10ms" / "train"), str(target)]) == 0
    for i, path in enumerate(sorted((target / "feat").iterdir())[:2]):
        path.unlink() if i else torch.save(torch.zeros(50, 81) / 0, path)
    capsys.readouterr()
    assert main(["data", "verify", str(target)]) == 2
    printed = capsys.readouterr()
    note, *faults = printed.err.splitlines()
    assert note.endswith("no folder ext beside it, so classes have no upper bound")
    assert len(faults) == 2
    assert "does not exist" in faults[0]
    assert "frame 0 is NaN" in faults[1]
    assert printed.out == f"{target}: 2 faults\n"


@pytest.mark.parametrize("features", ["fbank-81-10ms", "raw"])
@pytest.mark.parametrize("part", ["train", "dev", "test"])
def test_exported_directories_follow_the_rules_of_the_form(data, tmp_path, features, part):
    target = tmp_path / part
    assert main(["data", "export", str(data / features / part), str(target)]) == 0
    num_symbols = len(read_symbols(data / features / "ext"))
    names = {kind: sorted(path.name for path in (target / kind).iterdir()) for kind in ("feat", "ref")}
    assert names["feat"] == names["ref"]
    assert len(names["feat"]) == (16 if part == "train" else 8)
    widths = set()
    for name in names["feat"]:
        feat = torch.load(target / "feat" / name, weights_only=True)
        ref = torch.load(target / "ref" / name, weights_only=True)
        assert feat.dtype == torch.float32
        assert feat.dim() == 2
        assert feat.isfinite().all()
        widths.add(feat.shape[1])
        assert ref.dtype == torch.int64
        assert ref.shape[1:] == (3,)
        assert len(ref) > 0
        for symbol, first, end in ref.tolist():
            assert 0 <= symbol < num_symbols
            assert 0 <= first < end <= len(feat)
    assert widths == {81 if features == "fbank-81-10ms" else 1}
    back = tmp_path / "back"
    assert main(["data", "import", str(target), str(back)]) == 0
    again = np.load(back / "features.npy")
    assert np.array_equal(again, np.load(data / features / part / "features.npy"))


def test_plot_takes_the_waveform_from_raw_audio_beside_it(data, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib (the extra report) is not installed")
    partition, out = data / "fbank-81-10ms" / "dev", tmp_path / "a.png"
    name = (partition.parent / "ext" / "dev.ref.stm").read_text().split()[0]
    assert main(["data", "plot", str(partition), name, str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: {name}\n"
    assert out.read_bytes().startswith(b"\x89PNG")
    alone = tmp_path / "alone"
    assert main(["data", "export", str(partition), str(alone)]) == 0
    capsys.readouterr()
    assert main(["data", "plot", str(alone), name, str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: {name}, no waveform (--audio)\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["info", "{tmp}"], "{tmp}: holds no partition"),
        (["verify", "{tmp}/none"], "{tmp}/none: there is no such folder"),
        (["plot", "{data}/raw/dev", "nobody", "{tmp}/a.png"], "has no utterance 'nobody'; it has"),
        (["plot", "{data}/raw/dev", "nobody", "{tmp}/no/a.png"], "{tmp}/no/a.png: its folder does not exist"),
        (["plot", "{data}/raw/dev", "x", "{tmp}/a.png", "--audio", "{tmp}/a.wav"], "{tmp}/a.wav: cannot be read"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(data, tmp_path, capsys, command, message):
    assert main(["data", *(word.format(tmp=tmp_path, data=data) for word in command)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert message.format(tmp=tmp_path) in printed.err
    assert list(tmp_path.iterdir()) == []
