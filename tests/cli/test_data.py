import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cnn_mellin.cli.main import main
from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.formats.symbols import read_symbols


@pytest.fixture(scope="module")
def data(synthetic_timit, tmp_path_factory) -> Path:
    """Data directories of a small corpus."""
    folder = tmp_path_factory.mktemp("data")
    corpus = synthetic_timit(folder / "corpus", num_train=2)
    features = ["--features", "fbank-81-10ms", "raw"]
    assert main(["--quiet", "prep", "timit", str(corpus), str(folder / "data"), "--partial", *features]) == 0
    return folder / "data"


def test_info_prints_one_line_per_partition(data, capsys):
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


def test_verify_prints_clean_or_every_fault(data, tmp_path, capsys):
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


def contents(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def both_forms(tmp_path, monkeypatch):
    """Change to a folder with a packed partition p and its export f."""
    with write_partition(tmp_path / "p", PartitionDescription(2)) as writer:
        writer.add("a", [[1, 2], [3, 4]], [[0, 0, 1]])
    monkeypatch.chdir(tmp_path)
    assert main(["data", "export", "p", "f"]) == 0
    return tmp_path


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("export p p", "p: is an input; name another output"),
        ("export p ./p/", "./p/: is the input p"),
        ("export p p/f", "p/f: lies inside the input p"),
        ("export p .", ".: contains the input p"),
        ("export p ..", "..: contains the input p"),
        ("export p /", "/: contains the input p"),
        (
            "export p thesis",
            "thesis: exists and is not a folder that cnn-mellin data export wrote; name another folder",
        ),
        ("export p mixed", "mixed: exists and is not a folder that cnn-mellin data export wrote"),
        ("export p own", "own: exists and is not a folder that cnn-mellin data export wrote"),
        ("export p a.txt", "a.txt: exists and is not a folder; name a folder, or move this file away"),
        ("import f f", "f: is an input"),
        ("import f .", ".: contains the input f"),
        ("import f thesis", "thesis: exists and is not an imported partition"),
        ("import f prepared", "prepared: exists and is not an imported partition"),
        ("import f mixed", "mixed: exists and is not an imported partition"),
    ],
)
def test_only_an_older_result_is_replaced(both_forms, capsys, command, message):
    for name in ("thesis/feat/a.pt", "thesis/chapter.tex", "a.txt"):
        (both_forms / name).parent.mkdir(parents=True, exist_ok=True)
        (both_forms / name).write_text("precious")
    shutil.copytree("f", "mixed")
    (both_forms / "mixed" / "feat" / "notes.txt").write_text("precious")
    shutil.copytree("f", "own")
    torch.save(torch.tensor([[1, 2]]), "own/ref/a.pt")  # its form differs from that of an export
    with write_partition("prepared", PartitionDescription(2, 10.0, "fbank", {"corpus": "x"})) as writer:
        writer.add("a", [[1, 2]], [0])
    before = contents(both_forms)
    capsys.readouterr()
    assert main(["data", *command.split()]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert f"cnn-mellin: {message}" in printed.err
    assert contents(both_forms) == before


def test_older_results_and_empty_folders_are_replaced(both_forms):
    (both_forms / "g").mkdir()
    with write_partition("more", PartitionDescription(2)) as writer:
        writer.add("b", [[1, 2], [3, 4]], [[0, 0, 1]])
    for command in ("export p g", "export more g", "import f q", "import g q"):
        assert main(["data", *command.split()]) == 0
    assert [path.name for path in (both_forms / "g" / "ref").iterdir()] == ["b.pt"]
    assert read_partition("q").utterance_ids == ["b"]


@pytest.mark.parametrize("name", [300 * "u", "../../x", "a/b", "a\0b", ".", "a\x1bb", ""])
def test_ids_that_are_not_file_names_are_refused_and_nothing_is_written(tmp_path, capsys, monkeypatch, name):
    with monkeypatch.context() as earlier:  # versions before the rule wrote any id
        earlier.setattr("cnn_mellin.data.partition_writer.require_identifier", lambda name, *_: name)
        with write_partition(tmp_path / "p", PartitionDescription(1)) as writer:
            writer.add("fine", [[1]], [0])
            writer.add(name, [[1]], [0])
    before = contents(tmp_path)
    assert main(["data", "export", str(tmp_path / "p"), str(tmp_path / "f")]) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert f"{tmp_path}/p: utterance '" in printed
    assert "an identifier has 1 to 200 bytes of printable characters" in printed
    assert contents(tmp_path) == before
    assert not (tmp_path / "f").exists()
