import json
import os
import re
import sys

import numpy as np
import pytest
import soundfile
import torch

from cnn_mellin.audio.reading import read_audio, write_sphere
from cnn_mellin.audio.resampling import resampler
from cnn_mellin.cli.main import main
from cnn_mellin.config import Settings
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.formats.symbols import write_symbols
from cnn_mellin.formats.transcripts import read_trn
from cnn_mellin.language_models import estimate_kneser_ney, write_arpa
from cnn_mellin.training import train

SYMBOLS = ["aa", "b", "sil"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A briefly trained model on features of noise, and the noise as audio files."""
    folder = tmp_path_factory.mktemp("transcribe")
    write_symbols(folder / "data" / "ext", SYMBOLS)
    write_arpa(folder / "lm.arpa", estimate_kneser_ney([["sil", "aa", "b"], ["sil", "b"]], SYMBOLS))
    extractor = FeatureExtractor.named("fbank-81-10ms")
    source = {"configuration": extractor.configuration}
    stream = np.random.default_rng(1)
    with write_partition(folder / "data" / "train", PartitionDescription(81, 10.0, "mine", source)) as writer:
        for name in ("a", "b"):
            write_sphere(folder / f"{name}.sph", np.round(stream.normal(0, 3000, 9000)), 16000)
            samples = torch.from_numpy(read_audio(folder / f"{name}.sph"))
            writer.add(name, extractor(samples).numpy(), [2, 0, 1])
    model = {"window_stride": 2, "convolutional_layers": 1, "recurrent_size": 4, "recurrent_layers": 1, "seed": 1}
    settings = Settings().updated({"model": model, "training": {"num_epochs": 1, "seed": 1}})
    train(folder / "data" / "train", folder / "data" / "train", folder / "model", settings)
    return folder


def transcribe(folder, *words) -> int:
    return main(["--quiet", "transcribe", str(folder / "model"), *map(str, words)])


def test_recognises_the_same_as_decode(folder, tmp_path, capsys):
    options = ["--beam-width", "4", "--lm-beta", "0.3", "--lm", str(folder / "lm.arpa")]
    options += ["--insertion-bonus", "1.5", "--blank-bias", "-1"]
    assert (
        main(["decode", str(folder / "model"), str(folder / "data" / "train"), str(tmp_path / "t.trn"), *options]) == 0
    )
    capsys.readouterr()
    assert transcribe(folder, folder / "a.sph", folder / "b.sph", "--json", *options) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["audio"][-5]: [p["phone"] for p in line["phones"]] for line in lines} == read_trn(tmp_path / "t.trn")
    assert all(line["n_best"][0]["phones"] == [p["phone"] for p in line["phones"]] for line in lines)
    assert lines[0]["duration_s"] == 9000 / 16000


def test_table_and_ctm_agree(folder, capsys):
    assert transcribe(folder, folder / "a.sph") == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head == f"{folder / 'a.sph'}: {len(rows)} phones in 0.56 s"
    assert transcribe(folder, folder / "a.sph", "--ctm") == 0
    for row, line in zip(rows, capsys.readouterr().out.splitlines(), strict=True):
        name, channel, start, duration, phone = line.split()
        assert (name, channel, phone) == ("a", "A", row.split()[2])
        assert float(start) + float(duration) == pytest.approx(float(row.split()[1]), abs=2e-3)


def test_changes_to_audio_and_bad_files_are_named_and_good_files_transcribed(folder, tmp_path, capsys):
    soundfile.write(tmp_path / "stereo.flac", 0.1 * np.random.default_rng(0).normal(size=(9000, 2)), 8000)
    soundfile.write(tmp_path / "short.wav", np.zeros(20), 16000)
    (tmp_path / "bad.wav").write_bytes(b"no audio" * 9)
    words = [tmp_path / name for name in ("bad.wav", "stereo.flac", "short.wav", "none.wav")]
    assert transcribe(folder, *words, "--out", tmp_path / "out.txt") == 2
    printed = capsys.readouterr()
    assert (tmp_path / "out.txt").read_text().startswith(f"{tmp_path / 'stereo.flac'}: ")
    assert printed.out == f"{tmp_path / 'out.txt'}: 1 of 4 files\n"
    lines = [line.removeprefix(f"cnn-mellin: {tmp_path}/") for line in printed.err.splitlines()]
    assert lines[1] == f"stereo.flac: 2 channels mixed down, resampled from 8000 to 16000 Hz with {resampler()}"
    for line, start in zip(
        lines, ("bad.wav: is not an audio", "stereo", "short.wav: samples has length 20", "none.wav"), strict=True
    ):
        assert line.startswith(start)


def with_rate(folder, path, rate: int):
    soundfile.write(path, read_audio(folder / "a.sph") / 32768, 16000)
    content = bytearray(path.read_bytes())
    content[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(content)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("written", [[], ["--ctm"], ["--json"], ["--plot"]], ids=["table", "ctm", "json", "plot"])
def test_bad_files_do_not_affect_the_others(folder, tmp_path, capsys, written):
    if "--plot" in written:
        pytest.importorskip("matplotlib", reason="matplotlib is not installed (the extra report)")
        written = ["--plot", tmp_path / "pictures"]
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "empty.wav").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.wav")
    bad = [tmp_path / f"{name}.wav" for name in ("folder", "empty", "pipe", "none")]
    bad += [with_rate(folder, tmp_path / f"{rate}.wav", rate) for rate in (0, 1, 2147483647)]
    soundfile.write(tmp_path / "loud.wav", np.linspace(-30000, 30000, 9000), 16000, subtype="FLOAT")
    bad.append(tmp_path / "loud.wav")
    good = [folder / "a.sph", folder / "b.sph"]
    assert transcribe(folder, good[0], *bad, good[1], "--out", tmp_path / "out", *written) == 2
    printed = capsys.readouterr()
    assert printed.out == f"{tmp_path / 'out'}: 2 of {len(bad) + 2} files\n"
    lines = printed.err.splitlines()
    assert [line.removeprefix("cnn-mellin: ").split(": ")[0] for line in lines] == [str(path) for path in bad]
    together = (tmp_path / "out").read_text()
    options = [] if "--plot" in written else written
    assert transcribe(folder, *good, "--out", tmp_path / "again", *options) == 0
    assert together == (tmp_path / "again").read_text()
    if "--plot" in written:
        assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["a.png", "b.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="names are text there")
@pytest.mark.parametrize(("option", "status", "lines"), [([], 0, 2), (["--json"], 0, 2), (["--ctm"], 2, 1)])
def test_a_name_that_is_not_utf8_does_not_affect_the_others(folder, tmp_path, capsys, option, status, lines):
    path = tmp_path / os.fsdecode(b"caf\xe9.sph")
    path.write_bytes((folder / "b.sph").read_bytes())
    assert transcribe(folder, folder / "a.sph", path, "--out", tmp_path / "out", *option) == status
    printed = capsys.readouterr()
    assert f"{tmp_path / 'out'}: {lines} of 2 files\n" in printed.out
    text = (tmp_path / "out").read_text("utf-8")
    if option == ["--ctm"]:
        assert f"{tmp_path}/caf\\xe9.sph: its name has bytes that a ctm cannot hold" in printed.err
        assert {line.split()[0] for line in text.splitlines()} == {"a"}
    elif option == ["--json"]:
        assert os.fsencode(json.loads(text.splitlines()[1])["audio"]) == os.fsencode(path)
    else:
        assert f"\n{tmp_path}/caf\\xe9.sph: " in text


def test_a_figure_that_cannot_be_written_is_named_and_the_rest_is_kept(folder, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (the extra report)")
    long = tmp_path / (250 * "a" + ".sph")  # no room is left for the name under which a picture is written first
    long.write_bytes((folder / "a.sph").read_bytes())
    words = [long, folder / "b.sph", "--out", tmp_path / "out", "--plot", tmp_path / "pictures"]
    assert transcribe(folder, *words) == 2
    printed = capsys.readouterr()
    assert f"cnn-mellin: {tmp_path}/pictures/{250 * 'a'}.png: cannot be written (the name has more than" in printed.err
    assert printed.out == f"{tmp_path / 'out'}: 2 of 2 files\n"
    assert (tmp_path / "pictures" / "b.png").is_file()


@pytest.mark.parametrize("option", ["--out", "--plot"])
def test_results_never_overwrite_audio(folder, tmp_path, capsys, option):
    audio = tmp_path / "a.png"
    audio.write_bytes((folder / "a.sph").read_bytes())
    (tmp_path / "link.png").symlink_to(audio)
    before = audio.read_bytes()
    for result, what in ((audio, "is an input"), (tmp_path / "link.png", f"is the input {audio}")):
        assert transcribe(folder, audio, option, result) == 2
        assert f"{result}: {what}; name another output" in capsys.readouterr().err
    assert audio.read_bytes() == before


def test_figures_of_the_same_name_are_refused(folder, tmp_path, capsys):
    for name in ("x/y/z.sph", "x_y/z.sph"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes((folder / "a.sph").read_bytes())
    words = [tmp_path / "x/y/z.sph", tmp_path / "x_y/z.sph", "--plot", tmp_path / "pictures"]
    assert transcribe(folder, *words) == 2
    assert "--plot: two figures would be " in capsys.readouterr().err
    assert not (tmp_path / "pictures").exists()


def test_without_a_good_file_nothing_is_written(folder, tmp_path):
    assert transcribe(folder, tmp_path / "none.wav", "--out", tmp_path / "out.txt", "--plot", tmp_path / "plots") == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_figures_go_to_a_file_or_a_folder(folder, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (the extra report)")
    assert transcribe(folder, folder / "a.sph", "--plot", tmp_path / "one.png") == 0
    assert transcribe(folder, folder / "a.sph", folder / "b.sph", "--plot", tmp_path / "all") == 0
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png"))
    assert found == ["all/a.png", "all/b.png", "one.png"]


def test_files_of_the_same_name_keep_their_folders(folder, tmp_path, capsys):
    for speaker in ("s1", "s2"):
        (tmp_path / speaker).mkdir()
        (tmp_path / speaker / "x.sph").write_bytes((folder / "a.sph").read_bytes())
    assert transcribe(folder, tmp_path / "s1" / "x.sph", tmp_path / "s2" / "x.sph", "--ctm") == 0
    names = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert names == {f"{tmp_path}/s1/x", f"{tmp_path}/s2/x"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--beam-width", "4", "--lm-beta", "1"], "--lm and --lm-weight belong together"),
        (["--beam-width", "4", "--lm", "lm.arpa"], "--lm and --lm-weight belong together"),
        (["--beam-width", "4", "--lm-beta", "1", "--lm", "none.arpa"], "none.arpa: does not exist"),
        (["--beam-width", "0"], "--beam-width 0: must be at least 1"),
        (["--insertion-bonus", "1"], "--insertion-bonus needs --beam-width"),
        (["--blank-bias", "nan"], "--blank-bias nan: must be finite"),
        (["--num-best", "2"], "--num-best 2: needs --beam-width above 1"),
        (["--out", "none/out.txt"], "--out none/out.txt: its folder does not exist"),
        (["--plot", "a.pdf"], "--plot a.pdf: is neither a folder nor a name that ends in .png"),
        (["b.sph", "--plot", "a.png"], "--plot a.png: is one figure for 2 files"),
        (["a.wav"], "1 names of recordings differ only in their suffix: a"),
        (["--features", "none.json"], "none.json: does not exist, on disk or among the shipped files"),
        (["--epoch", "7"], "no checkpoint of epoch 7"),
    ],
)
def test_wrong_options_are_one_line(folder, tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    assert transcribe(folder, "a.sph", *options) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_model_folder_without_its_features_needs_the_option(folder, tmp_path, capsys):
    (tmp_path / "model").mkdir()
    for path in (folder / "model").iterdir():
        (tmp_path / "model" / path.name).write_bytes(path.read_bytes())
    content = json.loads((tmp_path / "model" / "model.json").read_text())
    (tmp_path / "feats.json").write_text(json.dumps(content.pop("feature_configuration")))
    (tmp_path / "model" / "model.json").write_text(json.dumps(content))
    assert transcribe(tmp_path, folder / "a.sph") == 2
    assert re.search(r"does not say how its features \(mine\) were computed; pass", capsys.readouterr().err)
    assert transcribe(tmp_path, folder / "a.sph", "--features", tmp_path / "feats.json") == 0
    given = capsys.readouterr().out
    assert transcribe(folder, folder / "a.sph") == 0
    assert capsys.readouterr().out == given


def test_only_transcriptions_and_figures_are_replaced(folder, tmp_path, capsys):
    audio = (folder / "a.sph").read_bytes()
    (tmp_path / "notes.txt").write_text("precious")
    for out, message in (
        (folder / "a.sph", "is an input"),
        (folder / "b.sph", "exists and is not a file of transcriptions; name another file, or move this one away"),
        (tmp_path / "notes.txt", "exists and is not a file of transcriptions"),
    ):
        assert transcribe(folder, folder / "a.sph", "--out", out) == 2
        printed = capsys.readouterr()
        assert (printed.out, printed.err.count("\n")) == ("", 1)
        assert f"cnn-mellin: {out}: {message}" in printed.err
    assert (folder / "a.sph").read_bytes() == audio
    assert (tmp_path / "notes.txt").read_text() == "precious"
    for options in ([], [], ["--ctm"], ["--json"], ["--json"]):
        assert transcribe(folder, folder / "a.sph", "--out", tmp_path / "out", *options) == 0
