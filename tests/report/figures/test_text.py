from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.decoding.transcriber import Transcription
from cnn_mellin.report.figures.text import drawing, shown_text
from cnn_mellin.scoring import phone_error_rate
from cnn_mellin.training.history import EpochRecord

mpl = pytest.importorskip("matplotlib", reason="matplotlib is not installed (the extra report)")

# No formula, a formula, an underscore at the start, letters that the font lacks, control characters, and a long name.
NAMES = ["$_{$", "$a^2$", "_\\frac{", "日本", "א", "\x1b\x00\udcff", "&<--", "w" * 200]


def confusions(folder: Path, name: str) -> None:
    from cnn_mellin.report.figures.confusions import draw_confusions, plot_confusions

    phones, counts = phone_error_rate({"a": [name, "b"]}, {"a": ["b", name]}).confusion_matrix()
    plot_confusions(phones, counts, folder / "a.png", title=name)
    (folder / "a.svg").write_bytes(draw_confusions(phones, counts))


def results(folder: Path, name: str) -> None:
    from cnn_mellin.report.figures.results import draw_groups, draw_rates

    pictures = [
        draw_rates({f"lcorr-{name}": {0.8: [20.0], 1.0: [10.0]}}),
        draw_groups({f"lcorr-{name}": {name: 20.0, "b": 10.0}}, "phone"),
    ]
    for i, picture in enumerate(pictures):
        assert b"<svg" in picture
        (folder / f"{i}.svg").write_bytes(picture)


def histories(folder: Path, name: str) -> None:
    from cnn_mellin.report.figures.study import draw_histories

    (folder / "a.svg").write_bytes(draw_histories({name: [(0, 20.0), (1, 10.0)]}))


def curves(folder: Path, name: str) -> None:
    from cnn_mellin.report.figures.learning_curves import draw_learning_curves, plot_learning_curves

    seeds = [[EpochRecord(1, 0.1, 2.0, 30.0, 0, 0, 10.0, 1.0)]] * 2
    plot_learning_curves({name: seeds}, folder / "a.png")
    (folder / "a.svg").write_bytes(draw_learning_curves({f"mcorr-{name}": seeds}))


def utterance(folder: Path, name: str) -> None:
    from cnn_mellin.report.figures.utterance import draw_utterance

    with write_partition(folder / "part", PartitionDescription(8, 10.0, name[:100])) as writer:
        writer.add("timed", np.ones((80, 8)), [[0, 0, 30], [1, 30, 80]])
        writer.add("untimed", np.ones((80, 8)), [1, 0])
    partition = read_partition(folder / "part")
    for utterance_id in ("timed", "untimed"):
        draw_utterance(partition, utterance_id, folder / f"{utterance_id}.png", symbols=[name, "b"])


def transcription(folder: Path, name: str) -> None:
    from cnn_mellin.report.figures.transcription import plot_transcription

    log_probs = (8 * torch.eye(3)[torch.arange(10) % 3]).log_softmax(1)
    found = Transcription([(name, 0.0, 0.3)], [([], 0.0)], 1.0, torch.randn(16000), torch.rand(100, 5), log_probs, 0.1)
    plot_transcription(found, [name, "b"], folder / "a.png", title=f"/corpus/{name}.wav")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("draw", [confusions, results, histories, curves, utterance, transcription])
def test_every_figure_shows_any_name(tmp_path, draw, name):
    if draw is utterance and "\udcff" in name:
        name = name.replace("\udcff", "")  # data directories hold UTF-8
    draw(tmp_path, name)
    drawn = [path for path in tmp_path.iterdir() if path.is_file()]
    assert drawn
    assert all(path.stat().st_size > 1000 for path in drawn)


def test_a_dollar_sign_is_literal_whatever_the_user_has_set():
    from matplotlib.figure import Figure

    with mpl.rc_context({"text.usetex": True, "text.parse_math": True}), drawing():
        text = Figure().suptitle("$a^2$")
        assert not text.get_usetex()
        assert not text.get_parse_math()


def test_characters_that_the_font_lacks_are_one_warning(tmp_path, caplog):
    from matplotlib.figure import Figure

    with caplog.at_level(logging.WARNING), drawing():
        figure = Figure()
        figure.suptitle("日本日")
        figure.text(0, 0, "日")
        figure.savefig(tmp_path / "a.png")
    assert caplog.messages == ["the font of figures lacks 2 characters, which are shown as boxes: U+65E5, U+672C"]


def test_other_warnings_are_kept():
    with pytest.warns(UserWarning, match="something else"), drawing():
        warnings.warn("something else", stacklevel=1)


def test_texts_are_shortened_and_escaped():
    assert shown_text("a" * 24) == "a" * 24
    assert shown_text("a" * 20 + "b" * 30) == "a" * 11 + "…" + "b" * 11
    assert shown_text("a\nb\u200b") == "a\\nb\\u200b"


@pytest.mark.slow
def test_a_backend_that_is_not_installed_here_does_not_matter():
    """As in a program that a notebook starts, whose kernel has its own."""
    program = "from cnn_mellin.report.figures.learning_curves import draw_learning_curves as d; d({'a': [[]]})"
    environment = {**os.environ, "MPLBACKEND": "module://of_another_environment"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_matplotlib_is_not_imported_before_a_picture_is_drawn():
    program = "import sys, cnn_mellin.report.figures.results; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
