"""What docs/decoding.md shows does what it says."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cnn_mellin.cli.main import main
from cnn_mellin.config import Settings
from cnn_mellin.training import train

PAGE = (Path(__file__).parents[1] / "docs" / "decoding.md").read_text(encoding="utf-8")
PHONES = ["sil", "ah", "t", "iy"]


def commands() -> list[list[str]]:
    """Arguments of each command of the page."""
    lines = "".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)).splitlines()
    assert lines[0].startswith("data=")
    folder = lines[0].removeprefix("data=")
    words = [shlex.split(line.replace("$data", folder)) for line in lines[1:]]
    assert all(program == "cnn-mellin" for program, *_ in words)
    return [arguments for _, *arguments in words]


@pytest.mark.slow
def test_every_command_runs_in_the_order_of_the_page(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib (the extra report) is not installed")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    lines = ["audio\ttranscript\tspeaker\tpartition"]
    for i in range(9):
        name = f"s{i}-u.wav"
        soundfile.write(name, rng.normal(0, 0.1, 8000), 16000)
        lines.append(f"{name}\tsil {PHONES[i % 4]} {PHONES[(i + 1) % 4]} sil\ts{i}\t{['train', 'dev', 'test'][i // 3]}")
    Path("corpus.tsv").write_text("\n".join(lines) + "\n")
    soundfile.write("speech.flac", rng.normal(0, 0.1, 12000), 8000)
    assert main(["--quiet", "prep", "table", "corpus.tsv", "data/timit", "--features", "fbank-81-10ms"]) == 0
    data = Path("data/timit/fbank-81-10ms")
    small = {"window_stride": 2, "convolutional_layers": 1, "recurrent_size": 4, "recurrent_layers": 1, "seed": 1}
    settings = Settings().updated({"model": small, "training": {"num_epochs": 1, "seed": 1}})
    train(data / "train", data / "dev", "exp/model", settings)
    for arguments in commands():
        assert main(["--quiet", *arguments]) == 0, arguments
    printed = capsys.readouterr().out
    assert "best of 6)" in printed  # compare chose a setting
    assert "speech.flac: " in printed
    for name in ("exp/confusions.png", "speech.png"):
        assert Path(name).stat().st_size > 1000
    assert {arguments[0] for arguments in commands()} == {"decode", "score", "lm", "logits", "compare", "transcribe"}
