"""What docs/training.md shows does what it says."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cnn_mellin.cli.main import main

PAGE = (Path(__file__).parents[1] / "docs" / "training.md").read_text(encoding="utf-8")
SETTINGS = "[model]\nwindow_stride = 2\nconvolutional_layers = 1\nrecurrent_size = 4\nrecurrent_layers = 1\n"


@pytest.mark.slow
def test_every_command_runs_and_leaves_what_the_page_says(tmp_path, monkeypatch):
    for module in ("matplotlib", "tensorboard", "onnxruntime"):
        pytest.importorskip(module, reason=f"{module} (of the extras report, tensorboard, export) is not installed")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = ["audio\ttranscript\tspeaker\tpartition"]
    for i in range(6):
        soundfile.write(f"u{i}.wav", rng.normal(0, 0.1, 8000), 16000)
        rows.append(f"u{i}.wav\tsil ah t sil\ts{i}\t{['train', 'dev', 'test'][i % 3]}")
    Path("corpus.tsv").write_text("\n".join(rows) + "\n")
    assert main(["--quiet", "prep", "table", "corpus.tsv", "data/timit", "--features", "fbank-81-10ms"]) == 0
    Path("settings.ini").write_text(SETTINGS + "[training]\nnum_epochs = 2\n")
    lines = "".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)).splitlines()
    folder = lines[0].removeprefix("data=")
    for line in lines[1:]:
        program, *arguments = shlex.split(line.replace("$data", folder))
        assert program == "cnn-mellin"
        assert main(["--quiet", *arguments]) == 0, line
    left = {path.name.replace("_002", "_007") for path in Path("exp/model").iterdir()} | {"tensorboard/"}
    named = re.findall(r"`([a-z_0-9]+\.[a-z]+|tensorboard/)`", PAGE.split("## Interruptions")[0].split("| in the")[1])
    assert len(named) == 8
    assert set(named) <= left
    assert Path("exp/model.onnx").stat().st_size > 1000
    assert Path("exp/logits/test/features.npy").exists()
